import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeCourierFile, encodeCourierFile, maxCourierBytes } from "@fleetcert/proto";
import { sha256 } from "@fleetcert/shared";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askLocalSocket } from "../../../agent/src/adapters/local-socket.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { OfflineDevice } from "../../support/devices/offline-device.ts";
import { endPrograms, startProgram, untilSeen } from "../../support/programs/processes.ts";

const technician = { name: "operator:alice", role: "field" } as const;

let controller: RealController;
let directory: string;
let count = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetcert-courier-"));
  controller = await realController();
});
afterAll(async () => {
  await endPrograms();
  await controller?.close();
  await rm(directory, { recursive: true, force: true });
});

/** A device of class courier that enrolled and has no network any more. */
async function aDevice(): Promise<OfflineDevice> {
  count += 1;
  const device = await OfflineDevice.enrol(directory, `remote-${count}`, controller);
  await controller.running.operations.devices.set(administrator, device.id, { connectivity: "courier" });
  return device;
}

const exchange = (bundle: Uint8Array) => controller.running.operations.courier.exchange(technician, bundle);
const shown = (device: OfflineDevice) => controller.running.operations.devices.show(administrator, device.id);

async function generationOf(device: OfflineDevice): Promise<number | undefined> {
  const { stdout } = await device.command("status", "--json");
  return (JSON.parse(stdout) as { slots: { certificate?: { generation: number } }[] }).slots[0]?.certificate
    ?.generation;
}

/** What `fleetcert revoke status` prints. */
async function statusAsPrinted(epoch: number): Promise<string> {
  const args = ["revoke", "status", String(epoch), "--data", controller.data];
  const program = startProgram("controller/src/main.ts", args);
  await program.ended;
  return program.stdout();
}

/** Refused with the code; the device is the same octet for octet. */
async function expectRefused(device: OfflineDevice, reply: Uint8Array, code: string): Promise<void> {
  // What an agent notes at every start is no effect of the bundle.
  await device.work(async () => undefined);
  const before = await device.contents();
  await expect(device.import(reply)).rejects.toMatchObject({ code });
  expect(await device.contents()).toEqual(before);
}

describe("a device without network, by courier", () => {
  it("renews, is proven with the next bundle, and has a usable credential at every moment (I1, I5)", async () => {
    const device = await aDevice();
    const first = await exchange(await device.export(true));
    expect(first.answers).toContainEqual({ asked: "renew", answer: "issued", slot: "identity", generation: 2 });
    const applied = await device.import(first.reply);
    expect(applied).toMatchObject({ issued: { identity: 2 }, confirmed: {}, hasTime: true, problems: [] });
    expect(await generationOf(device)).toBe(1);
    expect((await shown(device)).certificates.map(({ generation, state }) => [generation, state])).toEqual([
      [2, "issued"],
      [1, "proven"],
    ]);

    const second = await exchange(await device.export(false));
    expect(second.answers).toContainEqual({ asked: "activated", answer: "confirmed", slot: "identity", generation: 2 });
    expect(await generationOf(device)).toBe(1);
    expect(await device.import(second.reply)).toMatchObject({ issued: {}, confirmed: { identity: 2 } });
    expect(await generationOf(device)).toBe(2);
    const { certificates, courier } = await shown(device);
    expect(certificates.map(({ generation, state }) => [generation, state])).toEqual([
      [2, "proven"],
      [1, "retired"],
    ]);
    expect(courier).toMatchObject({ operator: "operator:alice", generation: 1 });
    expect(await controller.running.operations.audit.verify(administrator)).toMatchObject({ ok: true });
  });

  it("acknowledges what was revoked, by courier, and the acknowledgement counts", async () => {
    const [device, stolen] = [await aDevice(), await aDevice()];
    const { epoch } = await controller.running.operations.revocations.revoke(administrator, {
      device: stolen.id,
      reason: "keyCompromise",
    });
    const { reply } = await exchange(await device.export(false));
    const { epochs } = await device.import(reply);
    expect(Object.values(epochs)).toEqual([epoch]);
    const before = await controller.running.operations.revocations.status(administrator, { epoch });
    expect(before.waiting).toContain(device.id);
    const remote = before.laggards.find(({ connectivity }) => connectivity === "courier");
    const lastSeenAt = expect.toSatisfy((at: number) => at > Date.now() - 300_000 && at <= Date.now());
    expect(remote?.devices).toContainEqual({ id: device.id, lastSeenAt });
    expect(await statusAsPrinted(epoch)).toMatch(new RegExp(`^waiting, courier +.*${device.id} \\(.* ago\\)`, "m"));
    const second = await exchange(await device.export(false));
    expect(second.answers).toContainEqual({ asked: "ack", answer: "received" });
    const after = await controller.running.operations.revocations.status(administrator, { epoch });
    expect(after.waiting).not.toContain(device.id);
    expect(after.laggards.flatMap(({ devices }) => devices.map(({ id }) => id))).not.toContain(device.id);
    expect([before.via, after.via]).toEqual([{}, { courier: 1 }]);
    expect(after.p50).toBe(after.max);
    expect(await statusAsPrinted(epoch)).toMatch(/^via +courier 1$/m);
    const { received } = await device.import(second.reply);
    expect(received).toBeGreaterThanOrEqual(1);
  });

  it("that was retired meanwhile learns it with the reply, and erases its keys", async () => {
    const device = await aDevice();
    const bundle = await device.export(true);
    await controller.running.operations.devices.retire(administrator, device.id);
    const { answers, reply } = await exchange(bundle);
    expect(answers.map(({ answer, code }) => [answer, code])).toContainEqual(["refused", "device-retired"]);
    const { refused } = await device.import(reply);
    expect(refused.map(({ code }) => code)).toContain("device-retired");
    await device.work(async () => undefined);
    const left = Object.keys(await device.contents()).filter((name) => name.startsWith("keys/"));
    expect(left).toEqual([]);
    await expect(device.export(true)).rejects.toMatchObject({ code: "not-found" });
  });

  it("loses nothing when a stick is lost on either way: it exports again", async () => {
    const device = await aDevice();
    const lost = await device.export(true);
    const again = await device.export(false);
    const { reply: lostReply } = await exchange(again);
    expect(await device.export(false)).not.toEqual(again);
    const late = await exchange(await device.export(false));
    expect(await device.import(late.reply)).toMatchObject({ issued: { identity: 2 } });
    // The reply that turned up after all answers an export it remembers: nothing is left to do, and nothing goes back.
    expect(await device.import(lostReply)).toMatchObject({ issued: {} });
    await expect(exchange(lost)).rejects.toMatchObject({ code: "bundle-stale" });
    await device.import((await exchange(await device.export(false))).reply);
    expect(await generationOf(device)).toBe(2);
  });
});

describe("a reply is refused as a whole, and changes nothing,", () => {
  it("when it was tampered with: any bit of it, whatever its checksum says", async () => {
    const device = await aDevice();
    const { reply } = await exchange(await device.export(true));
    await device.work(async ({ courier }) => {
      const signal = new AbortController().signal;
      const { bundle } = await courier.pack({ renew: false });
      const fresh = (await exchange(bundle)).reply;
      await fc.assert(
        fc.asyncProperty(fc.nat(fresh.length * 8 - 1), fc.boolean(), async (bit, fixesChecksum) => {
          const flipped = Uint8Array.from(fresh);
          flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
          if (fixesChecksum) flipped.set(sha256(flipped.subarray(0, -32)), flipped.length - 32);
          if (Buffer.compare(flipped, fresh) === 0) return;
          await expect(courier.apply(flipped, signal)).rejects.toMatchObject({ name: "FleetError" });
        }),
        { numRuns: flips },
      );
      for (let length = 0; length < fresh.length; length += 97) {
        await expect(courier.apply(fresh.subarray(0, length), signal)).rejects.toMatchObject({
          code: "bundle-damaged",
        });
      }
    });
    const flipped = Uint8Array.from(reply);
    flipped[200] = (flipped[200] as number) ^ 1;
    await expectRefused(device, flipped, "bundle-damaged");
    expect(await device.import(reply)).toMatchObject({ issued: { identity: 2 } });
  });

  it("when it is another device's", async () => {
    const [device, other] = [await aDevice(), await aDevice()];
    const { reply } = await exchange(await other.export(true));
    await device.export(true);
    await expectRefused(device, reply, "bundle-foreign");
  });

  it("when it was imported before", async () => {
    const device = await aDevice();
    const { reply } = await exchange(await device.export(false));
    await device.import(reply);
    await expectRefused(device, reply, "message-replayed");
  });

  it("when the device has rotated since it was asked for", async () => {
    const device = await aDevice();
    const { reply: stale } = await exchange(await device.export(true));
    await device.import((await exchange(await device.export(false))).reply);
    await device.import((await exchange(await device.export(false))).reply);
    expect(await generationOf(device)).toBe(2);
    await expectRefused(device, stale, "bundle-stale");
  });

  it("when it answers an export that the device has forgotten over newer ones", async () => {
    const device = await aDevice();
    const { reply } = await exchange(await device.export(false));
    await device.work(async ({ courier }) => {
      for (let made = 0; made < 8; made++) await courier.pack({ renew: false });
    });
    await expectRefused(device, reply, "bundle-stale");
  });

  it("when it is put together from two of the device's replies", async () => {
    const device = await aDevice();
    const replies = [];
    for (const renew of [true, false]) {
      const { reply } = await exchange(await device.export(renew));
      replies.push(decodeCourierFile(reply, maxCourierBytes.reply));
    }
    const [one, other] = replies;
    const merged = { manifest: one?.manifest ?? new Uint8Array(), parts: other?.parts ?? [] };
    await expectRefused(device, encodeCourierFile(merged), "signature-invalid");
  });

  it("when it is a bundle of the device itself", async () => {
    const device = await aDevice();
    await expectRefused(device, await device.export(false), "bundle-foreign");
  });

  it("when it is larger than any reply, before it is looked at", async () => {
    const device = await aDevice();
    await device.export(false);
    await expectRefused(device, new Uint8Array(maxCourierBytes.reply + 1), "message-too-large");
  });
});

describe("the technician's commands", () => {
  it("work while the agent is stopped, and say what happened and what comes next", async () => {
    const device = await aDevice();
    const [request, reply] = ["a.request.fcb", "a.reply.fcb"].map((name) => join(directory, name)) as [string, string];
    const exported = await device.command("bundle", "export", "--renew", "--out", request);
    expect(exported).toMatchObject({ code: 0, stdout: expect.stringContaining("identity generation 2") });
    await writeFile(reply, (await exchange(new Uint8Array(await readFile(request)))).reply);
    const imported = await device.command("bundle", "import", reply);
    expect(imported).toMatchObject({ code: 0, stdout: expect.stringContaining("travels with the next bundle") });
    const again = await device.command("bundle", "import", reply, "--json");
    expect(JSON.parse(again.stderr)).toMatchObject({ error: { code: "message-replayed" } });
  });

  it("work through the local socket while the agent runs, and only the agent writes", async () => {
    const device = await aDevice();
    const config = join(device.data, "config.yaml");
    // Nobody listens there: a network that is down.
    await writeFile(config, (await readFile(config, "utf8")).replace(/port: \d+/, "port: 1"));
    const program = startProgram("agent/src/main.ts", ["run", "--data", device.data]);
    const isUp = () => askLocalSocket(join(device.data, "agent.sock"), "GET", "/v1/status").catch(() => undefined);
    await untilSeen(isUp, { within: 20_000, complain: program.stderr });
    const folder = await mkdtemp(join(directory, "stick-"));
    for (const args of [["--renew"], []]) {
      expect(await device.command("bundle", "export", "--out", folder, ...args)).toMatchObject({ code: 0 });
      const request = new Uint8Array(await readFile(join(folder, `${device.id}.request.fcb`)));
      const { reply } = await exchange(request);
      await writeFile(join(folder, `${device.id}.reply.fcb`), reply);
      await writeFile(join(folder, "another.reply.fcb"), Uint8Array.of(1, 2, 3));
      expect(await device.command("bundle", "import", folder)).toMatchObject({ code: 0 });
    }
    expect(await generationOf(device)).toBe(2);
    await program.stop();
    expect((await shown(device)).certificates[0]).toMatchObject({ generation: 2, state: "proven" });
  });
});

const flips = process.env["FLEETCERT_LONG"] === "1" ? 10_000 : 250;
