import { createHash } from "node:crypto";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseClaimString } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { RemoteDevice } from "../../support/devices/remote-device.ts";
import { startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

let controller: RealController;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetcert-first-"));
  controller = await realController();
});
afterAll(async () => {
  await controller?.close();
  await rm(directory, { recursive: true, force: true });
});

const exchange: RealController["running"]["operations"]["courier"]["exchange"] = (...asked) =>
  controller.running.operations.courier.exchange(...asked);
const shown = (id: string) => controller.running.operations.devices.show(administrator, id);

describe("a device that never had a network", () => {
  it("gets its first certificate by files, is proven by the next ones, and connects with it when a network comes", async () => {
    const device = await new RemoteDevice(directory, "pump-1").begin(await controller.claim());
    const exported = await device.exportFirst();
    expect(exported).toMatchObject({ code: 0, stderr: "" });
    expect(exported.stdout).toMatch(/enrols +by claim [a-z0-9]+; its secret is not in the file/);
    expect((await device.carry(exchange)).answers).toMatchObject([{ asked: "enrol", answer: "issued", generation: 1 }]);
    const imported = await device.run("bundle", "import", device.stick);
    expect(imported).toMatchObject({ code: 0, stdout: expect.stringContaining("identity generation 1") });
    expect(imported.stdout).toContain("travels with the next bundle");
    expect((await shown("pump-1")).certificates).toMatchObject([{ generation: 1, state: "issued" }]);

    // From here on no claim is needed, nor asked for.
    await rm(device.claimFile);
    expect(await device.run("bundle", "export", "--out", device.stick)).toMatchObject({ code: 0 });
    expect((await device.carry(exchange)).answers).toContainEqual(
      expect.objectContaining({ asked: "activated", answer: "confirmed" }),
    );
    expect(await device.run("bundle", "import", device.stick)).toMatchObject({ code: 0 });
    const { slots } = JSON.parse((await device.run("status", "--json")).stdout);
    expect(slots).toMatchObject([{ slot: "identity", journal: "idle", certificate: { generation: 1 } }]);
    const { certificates, attributes } = await shown("pump-1");
    expect(certificates).toMatchObject([{ state: "proven", provenVia: "courier" }]);
    expect(attributes).toMatchObject({ connectivity: "courier", connectivityBy: "computed" });

    const fleet = await RealAgents.open();
    try {
      await rename(device.data, join(fleet.directory, "pump-1"));
      await fleet.start("pump-1", controller.endpoints);
      await expect.poll(async () => (await shown("pump-1")).connected, { timeout: 30_000 }).toBe(true);
    } finally {
      await fleet.close();
    }
  });

  it("gives the courier nothing: neither the claim's secret nor anything it could enrol with", async () => {
    const claim = await controller.claim();
    const device = await new RemoteDevice(directory, "pump-2").begin(claim);
    await device.exportFirst();
    const bundle = Buffer.from(await device.bundle());
    const text = parseClaimString(claim).secret.reveal();
    const octets = Buffer.from(text, "base64url");
    const digest = createHash("sha256").update(octets).digest();
    for (const secret of [
      text,
      octets,
      octets.toString("base64"),
      octets.toString("hex"),
      digest,
      digest.toString("hex"),
    ])
      expect(bundle.includes(secret)).toBe(false);
    expect(bundle.includes(parseClaimString(claim).claimId)).toBe(true);
  });

  it("takes no other device's reply, nor one that was changed, nor the same one twice", async () => {
    const claim = await controller.claim({ maxUses: 2 });
    const [device, other] = [
      await new RemoteDevice(directory, "pump-3").begin(claim),
      await new RemoteDevice(directory, "pump-4").begin(claim),
    ];
    for (const one of [device, other]) await one.exportFirst();
    await device.carry(exchange);
    const { reply } = await other.carry(exchange);
    const import_ = async (bytes: Uint8Array) => {
      const file = join(directory, "some.reply.fcb");
      await writeFile(file, bytes);
      return JSON.parse((await device.run("bundle", "import", file, "--json")).stderr || "{}");
    };
    expect(await import_(reply)).toMatchObject({ error: { code: "bundle-foreign" } });
    const own = new Uint8Array(await readFile(join(device.stick, "pump-3.reply.fcb")));
    const flipped = Uint8Array.from(own);
    flipped[own.length >> 1] = (own[own.length >> 1] as number) ^ 1;
    expect(await import_(flipped)).toMatchObject({ error: { code: "bundle-damaged" } });
    expect(await import_(own)).toEqual({});
    expect(await import_(own)).toMatchObject({ error: { code: "message-replayed" } });
  });

  it("says what is missing: no claim, and a claim that is refused", async () => {
    const device = new RemoteDevice(directory, "pump-5");
    const bare = await device.run("bundle", "export", "--out", directory, "--device-id", device.id);
    expect(bare).toMatchObject({ code: 4, stderr: expect.stringContaining("--claim-file") });
    const claim = await controller.claim();
    await controller.running.operations.claims.revoke(administrator, parseClaimString(claim).claimId);
    await device.begin(claim);
    await device.exportFirst();
    expect((await device.carry(exchange)).answers).toMatchObject([{ answer: "refused", code: "claim-invalid" }]);
    const told = await device.run("bundle", "import", device.stick);
    expect(told).toMatchObject({ code: 0, stdout: expect.stringMatching(/refused +enrol: .*claim-invalid/) });
    // With a good claim it goes on where it was.
    await writeFile(device.claimFile, `${await controller.claim()}\n`);
    await device.exportFirst();
    expect((await device.carry(exchange)).answers).toMatchObject([{ answer: "issued" }]);
    expect(await device.run("bundle", "import", device.stick)).toMatchObject({ code: 0 });
  });

  it("may get a network between its trips: what the agent does by itself and what the courier brings agree", async () => {
    const claim = await controller.claim();
    const device = await new RemoteDevice(directory, "pump-6").begin(claim);
    await device.exportFirst();
    const first = await device.carry(exchange);
    const fleet = await RealAgents.open();
    try {
      // The same directory, moved to where its agent runs with a network.
      await rename(device.data, join(fleet.directory, "pump-6"));
      const agent = await fleet.start("pump-6", controller.endpoints, claim);
      await expect
        .poll(() => agent.status().slots[0], { timeout: 30_000 })
        .toMatchObject({ journal: "idle", certificate: { generation: 1 } });
      expect((await shown("pump-6")).certificates).toMatchObject([{ state: "proven", provenVia: "session" }]);
      // The reply that comes late brings nothing new, and takes nothing back.
      const late = await agent.courier.apply(first.reply, new AbortController().signal);
      expect(late).toMatchObject({ issued: {}, refused: [] });
      expect(agent.status().slots[0]).toMatchObject({ journal: "idle", certificate: { generation: 1 } });
    } finally {
      await fleet.close();
    }
  });
});

describe("a known device that lost its disk and its network", () => {
  it("enrols anew by courier, by a person's permission", async () => {
    const fleet = await RealAgents.open();
    const agent = await fleet.start("pump-7", controller.endpoints, await controller.claim());
    const isSettled = { journal: "idle", certificate: { generation: 1 } };
    await expect.poll(() => agent.status().slots[0], { timeout: 30_000 }).toMatchObject(isSettled);
    await fleet.close();
    const { devices } = controller.running.operations;
    await devices.set(administrator, "pump-7", { connectivity: "courier" });
    const { claimString, generation } = await devices.reenrol(administrator, "pump-7", 3_600_000);
    const device = await new RemoteDevice(directory, "pump-7").begin(claimString);
    expect(await device.exportFirst()).toMatchObject({ code: 0 });
    expect((await device.carry(exchange)).answers).toMatchObject([{ answer: "issued", generation }]);
    for (const step of ["import", "export", "import"]) {
      const place = step === "export" ? ["--out", device.stick] : [device.stick];
      expect(await device.run("bundle", step, ...place)).toMatchObject({ code: 0 });
      if (step === "export") await device.carry(exchange);
    }
    expect((await shown("pump-7")).certificates[0]).toMatchObject({
      generation,
      state: "proven",
      provenVia: "courier",
    });
  });
});

describeWith([swtpmPart], "a device that never had a network, with its keys in a TPM,", () => {
  it("is told that a TPM is proven in two trips, and enrols by courier once it does not ask for that", async () => {
    const tpm = await startSwtpm({ manufactured: true });
    try {
      const device = await new RemoteDevice(directory, "press-1").begin(await controller.claim());
      const keys = ["--keys", "tpm", "--tpm", tpm.address];
      const refused = await device.exportFirst(...keys, "--json");
      expect(refused.code).toBe(9);
      expect(JSON.parse(refused.stderr)).toMatchObject({
        error: {
          code: "attestation-required",
          message: expect.stringContaining("two trips"),
          hint: expect.stringContaining("keys.attest: never"),
        },
      });
      device.env = { FLEETCERT_AGENT_KEYS_ATTEST: "never" };
      expect(await device.exportFirst(...keys)).toMatchObject({ code: 0 });
      expect((await device.carry(exchange)).answers).toMatchObject([{ answer: "issued" }]);
      expect(await device.run("bundle", "import", device.stick)).toMatchObject({ code: 0 });
      expect((await shown("press-1")).certificates).toMatchObject([{ protection: "token" }]);
    } finally {
      await tpm.stop();
    }
  });
});
