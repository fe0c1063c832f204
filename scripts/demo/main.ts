// `npm start`: sets a controller up and plays a scenario on it.
import { writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { errorCatalogue, exitCodes, FleetError } from "@fleetcert/shared";
import { type Check, Checks } from "./checks.ts";
import { startController } from "./controller-process.ts";
import { type DemoDevice, demoDevices, fewestForScenes } from "./devices.ts";
import { foundManufacturer } from "./emulated-tpm.ts";
import type { Figures } from "./figures.ts";
import { chooseKeyStore } from "./key-store.ts";
import { type DemoOptions, demoUsage, parseOptions } from "./options.ts";
import { openPanel } from "./panel.ts";
import { scenesOf } from "./scenarios.ts";
import type { SceneFigures } from "./scene.ts";
import { skewedClock } from "./skewed-clock.ts";
import type { Stage } from "./stage.ts";
import { openWorkplace, repository } from "./workplace.ts";

const panel = openPanel();
/** What a signal does: it ends the run at once, or, while the fleet stays up, in order. */
let onSignal = (): void => process.exit(exitCodes.interrupted);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => onSignal());
process.exitCode = await main(process.argv.slice(2)).catch(failed);

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    process.stdout.write(demoUsage);
    return exitCodes.ok;
  }
  const options = parseOptions(args);
  const startedAt = performance.now();
  const keyStore = await chooseKeyStore(options.keys);
  if (keyStore.kind === "software") panel.warn(`SOFTWARE KEYS, for demonstration only: ${keyStore.why}`);
  if ("module" in keyStore) panel.step(`keys in SoftHSM2 through PKCS#11: ${keyStore.module}`);
  if (keyStore.kind === "tpm" || keyStore.kind === "mixed")
    panel.step("keys in TPMs that swtpm emulates, one a device");
  const place = await openWorkplace(options);
  if (keyStore.kind === "tpm" || keyStore.kind === "mixed") await foundManufacturer(place);
  const controller = await startController(place, options);
  const { operational, bootstrap, http, api } = controller.endpoints;
  panel.step(
    `${place.hasPki ? "kept" : "made"} the PKI in .demo/controller, root sha256 ${controller.rootSha256.slice(0, 16)}…`,
  );
  if (options.broker === "mosquitto") panel.step("devices talk to a Mosquitto only, once they are enrolled");
  panel.step(
    `controller: devices ${operational.port}, enrolment ${bootstrap.port}, CRLs and health ${http.port}, people ${api.port}`,
  );
  const ends: (() => Promise<void>)[] = [() => controller.stop()];
  const atEnd = (stop: () => Promise<void>) => void ends.push(stop);
  const stage: Stage = { place, panel, controller, keyStore, devices: castOf(options, place.run), atEnd };
  try {
    const checks = new Checks();
    const figures: Record<string, unknown>[] = [];
    for (const [, scene] of scenesOf(options.scenario, options.only)) figures.push(await scene(stage, checks));
    await report(options, { checks: checks.all, startedAt, figures: Object.assign({}, ...figures) });
    if (!options.headless) await stayUp(stage);
    return checks.failed.length === 0 ? exitCodes.ok : exitCodes.failed;
  } finally {
    for (const stop of ends.toReversed()) await stop();
  }
}

/** The devices of this run; says which scenes are left out. */
function castOf({ devices }: DemoOptions, run: number): DemoDevice[] {
  const hasSkewedClocks = skewedClock(1) !== undefined;
  if (devices < fewestForScenes) panel.warn(`the special scenes need ${fewestForScenes} devices and are left out`);
  else if (!hasSkewedClocks)
    panel.warn("no device has a wrong clock: libfaketime is missing; apt-get install faketime");
  return demoDevices(devices, run, { hasSkewedClocks });
}

async function report(
  { devices, json, scenario }: DemoOptions,
  played: { readonly checks: readonly Check[]; readonly figures: SceneFigures; readonly startedAt: number },
): Promise<void> {
  const { checks } = played;
  for (const { name, ok, expected, actual, evidence } of checks) {
    if (ok) panel.step(`${name}: ${JSON.stringify(actual)}  (${evidence})`);
    else panel.warn(`${name}: expected ${JSON.stringify(expected)}, saw ${JSON.stringify(actual)}  (${evidence})`);
  }
  const durationS = Math.round((performance.now() - played.startedAt) / 100) / 10;
  const good = checks.filter(({ ok }) => ok).length;
  panel.print(`\n${good} of ${checks.length} checks ok in ${durationS} s`);
  const figures: Figures = { scenario, devices, ...played.figures, durationS, checks };
  if (json !== undefined) await writeFile(json, `${JSON.stringify(figures, undefined, 2)}\n`);
}

/** Leaves the fleet running for a person to look at, until Ctrl-C. */
async function stayUp({ place, devices }: Stage): Promise<void> {
  const data = relative(repository, place.controller);
  const some = devices.find(({ isRevoked }) => !isRevoked)?.id ?? devices[0]?.id;
  panel.print(`
try it from another terminal:
  npx fleetcert --data ${data} device list
  npx fleetcert --data ${data} fleet age --by site
  npx fleetcert --data ${data} device show ${some}
  npx fleetcert --data ${data} revoke --device ${some} --reason keyCompromise --dry-run
  npx fleetcert --data ${data} audit verify
Ctrl-C ends it.`);
  await new Promise<void>((resolve) => {
    const forever = setInterval(() => undefined, 60_000);
    onSignal = () => {
      clearInterval(forever);
      resolve();
    };
  });
}

function failed(error: unknown): number {
  if (!(error instanceof FleetError)) throw error;
  panel.print(`✖ ${errorCatalogue[error.code].title}\n  why   ${error.message}`);
  if (error.hint !== undefined) panel.print(`  fix   ${error.hint}`);
  return error.code === "key-store-missing" ? exitCodes.failed : errorCatalogue[error.code].exit;
}
