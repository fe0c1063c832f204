import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { localActor } from "./actor.ts";
import { childOutcome, runChild } from "./child.ts";
import { type LoneDevice, prepareDevice } from "./lone-device.ts";
import type { Scene } from "./scene.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";
import { repository } from "./workplace.ts";

/** A technician with a laptop rotates a device that has no network; bundles somebody has touched are refused. */
export const courier: Scene = async (stage, checks) => {
  const { panel, controller } = stage;
  const [pump, valve] = [await remoteDevice(stage, "pump"), await remoteDevice(stage, "valve")];
  const technician = await hireTechnician(stage);
  await carry(pump, technician, ["--renew"]);
  await carry(pump, technician);
  const shown = await pump.shown();
  const { certificates } = await controller.operations.devices.show(localActor, pump.id);
  panel.step(`a technician rotated ${pump.id} by files; its old key is ${certificates[1]?.state}`);
  const applied = {
    generation: shown?.certificate?.generation,
    state: shown?.certificate?.state,
    onDevice: (await pump.status()).slots[0]?.certificate?.generation,
    broughtBy: shown?.courier?.operator,
  };
  const expected = { generation: 2, state: "proven", onDevice: 2, broughtBy: `operator:${technician.name}` };
  checks.equal("courier-applied", expected, applied, "fleetcert courier status");

  const refused = await refusals(pump, valve, technician);
  panel.step(
    `bundles refused: ${Object.entries(refused)
      .map(([what, code]) => `${what} ${code}`)
      .join(", ")}`,
  );
  checks.equal("courier-tamper-refused", expectedRefusals, refused, "docs/courier.md");
  return { courier: { refused } };
};

const expectedRefusals = {
  damaged: "bundle-damaged",
  tampered: "signature-invalid",
  swapped: "bundle-foreign",
  replayed: "message-replayed",
  stale: "bundle-stale",
  changedNothing: true,
};

interface Technician {
  readonly name: string;
  readonly folder: string;
  fleetcert(...args: string[]): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
}

/** A device that enrolled where it was set up, and has no network where it is now. */
async function remoteDevice(stage: Stage, name: string): Promise<LoneDevice> {
  const device = await prepareDevice(stage, name);
  const agent = device.start();
  await device.untilProven(1);
  // The device has to hear that it is proven; without a network it never would.
  await until(
    () => device.status(),
    ({ slots }) => slots[0]?.journal === "idle",
    { timeoutMs: 30_000, everyMs: 200 },
  );
  await agent.stop();
  await stage.controller.operations.devices.set(localActor, device.id, { connectivity: "courier" });
  return device;
}

/** Somebody with an operator certificate of role `field`, and no other right. */
async function hireTechnician({ place, controller }: Stage): Promise<Technician> {
  const name = `technician-${place.run}`;
  const folder = join(place.agents, "..", "laptop");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const main = join(repository, "controller/src/main.ts");
  await runChild([main, "operator", "create", name, "--role", "field", "--out", folder, "--data", place.controller]);
  const { host, port } = controller.endpoints.api;
  const options = [
    ...["--url", `https://${host}:${port}`, "--root", join(place.controller, "ca", "root.pem")],
    ...["--cert", join(folder, `${name}.cert.pem`), "--key", join(folder, `${name}.key.pem`)],
  ];
  return { name, folder, fleetcert: (...args) => childOutcome([main, ...args, ...options, "--json"], process.env) };
}

/** One round: out of the device, to the controller, back into the device. */
async function carry(device: LoneDevice, technician: Technician, options: readonly string[] = []): Promise<void> {
  await fetchReply(device, technician, options);
  const { reply } = filesOf(device, technician);
  requireDone(await device.command("bundle", "import", reply));
}

async function fetchReply(
  device: LoneDevice,
  technician: Technician,
  options: readonly string[] = [],
): Promise<Uint8Array> {
  const { request, reply } = filesOf(device, technician);
  requireDone(await device.command("bundle", "export", "--out", request, ...options));
  requireDone(await technician.fleetcert("courier", "exchange", request, reply));
  return new Uint8Array(await readFile(reply));
}

/** What becomes of replies and requests that somebody has touched, and whether the device is the same afterwards. */
async function refusals(device: LoneDevice, other: LoneDevice, technician: Technician) {
  const reply = await fetchReply(device, technician);
  const foreign = await fetchReply(other, technician);
  const before = await whatItHas(device);
  const refusalOf = async (bytes: Uint8Array): Promise<string> => {
    const file = join(technician.folder, "touched.reply.fcb");
    await writeFile(file, bytes);
    return codeOf(await device.command("bundle", "import", file));
  };
  const damaged = await refusalOf(flipped(reply));
  const tampered = await refusalOf(withChecksum(flipped(reply)));
  const swapped = await refusalOf(foreign);
  const changedNothing = JSON.stringify(await whatItHas(device)) === JSON.stringify(before);
  await refusalOf(reply);
  const replayed = await refusalOf(reply);
  const old = join(technician.folder, "old.request.fcb");
  await device.command("bundle", "export", "--out", old);
  await fetchReply(device, technician);
  const late = await technician.fleetcert("courier", "exchange", old, `${old}.reply`);
  return { damaged, tampered, swapped, replayed, stale: codeOf(late), changedNothing };
}

/** All but the journal: a grace that was running ends by itself. */
async function whatItHas(device: LoneDevice) {
  const { slots, revocation, trust } = await device.status();
  return {
    certificates: slots.map(({ certificate }) => certificate?.serial),
    epochs: revocation.map(({ epoch }) => epoch),
    trust: trust?.version,
  };
}

/** Near the end lie the answers. */
function flipped(bytes: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const at = changed.length - 200;
  changed[at] = (changed[at] as number) ^ 1;
  return changed;
}

function withChecksum(bytes: Uint8Array): Uint8Array {
  const whole = bytes.subarray(0, -32);
  return new Uint8Array(Buffer.concat([whole, createHash("sha256").update(whole).digest()]));
}

function codeOf({ err, out }: { readonly err: string; readonly out: string }): string {
  const code = (text: string): string | undefined => /"code": ?"([a-z-]+)"/.exec(text)?.[1];
  return code(err) ?? code(out) ?? "accepted";
}

function requireDone({ code, err }: { readonly code: number | null; readonly err: string }): void {
  if (code !== 0) throw new Error(`a command of the technician ended with ${code}: ${err}`);
}

function filesOf({ id }: LoneDevice, { folder }: Technician): { readonly request: string; readonly reply: string } {
  return { request: join(folder, `${id}.request.fcb`), reply: join(folder, `${id}.reply.fcb`) };
}
