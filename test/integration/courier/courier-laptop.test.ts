import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectController } from "@fleetcert/controller";
import { pemEncode } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CliContext } from "../../../controller/src/cli/context.ts";
import { runProgram } from "../../../controller/src/cli/program.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { OfflineDevice } from "../../support/devices/offline-device.ts";

let controller: RealController;
let directory: string;
let devices: OfflineDevice[];
let alice: string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetcert-laptop-"));
  controller = await realController();
  devices = [];
  for (const id of ["pump-1", "pump-2", "pump-3"]) {
    devices.push(await OfflineDevice.enrol(directory, id, controller));
    await controller.running.operations.devices.set(administrator, id, { connectivity: "courier" });
  }
  await writeFile(join(directory, "root.pem"), pemEncode("CERTIFICATE", controller.running.root));
  alice = await operator("alice", "field");
});
afterAll(async () => {
  await controller?.close();
  await rm(directory, { recursive: true, force: true });
});

/** `fleetcert` as on a technician's laptop. */
async function fleetcert(...args: string[]) {
  const written = { out: "", err: "" };
  const context: CliContext = {
    stdout(text) {
      written.out += text;
    },
    stderr(text) {
      written.err += text;
    },
    isInteractive: false,
    confirm: async () => false,
    now: () => Date.now(),
    connect: (options) => connectController(options, {}),
  };
  return { code: await runProgram(args, context), ...written };
}

/** The options by which somebody with a certificate of that role calls the controller. */
async function operator(name: string, role: string): Promise<string[]> {
  const made = await fleetcert(
    "--data",
    controller.data,
    "operator",
    "create",
    name,
    "--role",
    role,
    "--out",
    directory,
  );
  expect(made).toMatchObject({ code: 0 });
  const file = (end: string) => join(directory, `${name}.${end}`);
  const url = `https://127.0.0.1:${controller.endpoints.api.port}`;
  return ["--url", url, "--cert", file("cert.pem"), "--key", file("key.pem"), "--root", join(directory, "root.pem")];
}

describe("a technician of role field", () => {
  it("takes a stick of many bundles to the controller in two legs, and brings every device its own reply", async () => {
    const folder = async (name: string) => {
      const path = join(directory, name);
      await mkdir(path);
      return path;
    };
    const stick = await folder("stick");
    for (const device of devices) {
      expect(await device.command("bundle", "export", "--renew", "--out", stick)).toMatchObject({ code: 0 });
    }
    // On site the laptop has no network either.
    const [laptop, replies] = [join(directory, "laptop"), join(directory, "replies")];
    await writeFile(join(stick, "broken.request.fcb"), "nothing of ours");
    const collected = await fleetcert("courier", "collect", stick, laptop, "--json");
    expect(collected.code).toBe(7);
    expect((await readdir(laptop)).sort()).toEqual(devices.map(({ id }) => `${id}.request.fcb`));
    expect(JSON.parse(collected.out)).toContainEqual(
      expect.objectContaining({ result: "refused", code: "bundle-damaged" }),
    );

    const exchanged = await fleetcert(...alice, "courier", "exchange", laptop, replies, "--json");
    expect(exchanged.code).toBe(0);
    const rows = JSON.parse(exchanged.out) as { device: string; result: string; says: string }[];
    expect(rows.map(({ device, result }) => [device, result])).toEqual(devices.map(({ id }) => [id, "exchanged"]));
    expect(rows[0]?.says).toContain("identity generation 2 issued");

    expect(await fleetcert("courier", "collect", "--replies", replies, stick)).toMatchObject({ code: 0 });
    for (const device of devices) {
      expect(await device.command("bundle", "import", stick)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("identity generation 2"),
      });
    }
    const shown = await fleetcert("--data", controller.data, "device", "show", "pump-1");
    expect(shown.out).toContain("brought by operator:alice");
    const { items } = await controller.running.operations.courier.list(administrator, {});
    expect(items.map(({ device, waitingForProof }) => [device, waitingForProof])).toEqual(
      devices.map(({ id }) => [id, 2]),
    );
    const audit = await controller.running.operations.audit.list(administrator, {});
    const entries = audit.filter(({ action }) => action === "courier.exchanged");
    expect(entries.map(({ actor, target }) => [actor, target])).toEqual(
      devices.map(({ id }) => ["operator:alice", id]),
    );
  });

  it("gets the same answers for the same folder, and is shown why a swapped or stale file is refused", async () => {
    const [one, out] = [join(directory, "one"), join(directory, "out")];
    await mkdir(one);
    const [device] = devices as [OfflineDevice];
    const older = join(one, "a-older.request.fcb");
    await device.command("bundle", "export", "--out", older);
    const newer = join(directory, "newer.fcb");
    await device.command("bundle", "export", "--out", newer);
    const replied = join(directory, "newer.reply.fcb");
    expect(await fleetcert(...alice, "courier", "exchange", newer, replied)).toMatchObject({ code: 0 });
    const again = await fleetcert(...alice, "courier", "exchange", newer, replied);
    expect(again).toMatchObject({ code: 0, out: expect.stringContaining("repeated") });
    await copyFile(newer, join(one, "b-newer.request.fcb"));
    const mixed = await fleetcert(...alice, "courier", "exchange", one, out);
    expect(mixed.code).toBe(7);
    expect(mixed.out).toMatch(/a-older.*refused.*bundle-stale/);
    expect(mixed.out).toMatch(/b-newer.*repeated/);
    const other = devices[1] as OfflineDevice;
    const refused = await other.command("bundle", "import", replied);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("bundle-foreign");
    expect(await device.command("bundle", "import", replied)).toMatchObject({ code: 0 });
  });

  it("may do that and look, and nothing that another role does; who may not exchange is refused and audited", async () => {
    expect(await fleetcert(...alice, "claim", "create", "--uses", "1", "--valid-for", "1h")).toMatchObject({ code: 4 });
    expect(await fleetcert(...alice, "courier", "status")).toMatchObject({ code: 0 });
    const victor = await operator("victor", "viewer");
    const file = join(directory, "victors.fcb");
    await devices[2]?.command("bundle", "export", "--out", file);
    const before = await readFile(file);
    expect(await fleetcert(...victor, "courier", "exchange", file, `${file}.reply`)).toMatchObject({ code: 4 });
    expect(await readFile(file)).toEqual(before);
    const audit = await controller.running.operations.audit.list(administrator, {});
    expect(audit.at(-1)).toMatchObject({
      actor: "operator:victor",
      action: "access.denied",
      target: "courier.exchange",
    });
  });
});
