// `npm start`: sets a fleet up and runs the main job.
import { writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { distributionText, serviceLevelText } from "@fleetcert/controller";
import { errorCatalogue, exitCodes, FleetError } from "@fleetcert/shared";
import { startController } from "./controller-process.ts";
import { type DemoDevice, demoDevices, fewestForScenes } from "./devices.ts";
import { chooseKeyStore } from "./key-store.ts";
import { type DemoOptions, demoUsage, parseOptions } from "./options.ts";
import { openPanel } from "./panel.ts";
import { type MainJob, runMainJob } from "./run-main-job.ts";
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
  if (keyStore.kind === "pkcs11") panel.step(`keys in SoftHSM2 through PKCS#11: ${keyStore.module}`);
  else panel.warn(`SOFTWARE KEYS, for demonstration only: ${keyStore.why}`);
  const place = await openWorkplace(options);
  const controller = await startController(place);
  const { operational, bootstrap, http, api } = controller.endpoints;
  panel.step(
    `${place.hasPki ? "kept" : "made"} the PKI in .demo/controller, root sha256 ${controller.rootSha256.slice(0, 16)}…`,
  );
  panel.step(
    `controller: devices ${operational.port}, enrolment ${bootstrap.port}, CRLs and health ${http.port}, people ${api.port}`,
  );
  const stage: Stage = { place, panel, controller, keyStore, devices: castOf(options, place.run) };
  try {
    const job = await runMainJob(stage, startedAt);
    try {
      await report(options, job);
      if (!options.headless) await stayUp(stage);
    } finally {
      await job.fleet.stop();
    }
    return job.figures.checks.every(({ ok }) => ok) ? exitCodes.ok : exitCodes.failed;
  } finally {
    await controller.stop();
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

async function report({ json }: DemoOptions, { figures, age, serviceLevels }: MainJob): Promise<void> {
  panel.print(`\ncertificate age of ${distributionText(age)}`);
  const { revocation, issuance } = figures;
  panel.print(`\n${serviceLevelText(serviceLevels)}`);
  panel.print(
    `issuance p50 ${issuance.p50Ms} ms, p95 ${issuance.p95Ms} ms · revocation blocked at the broker in ${revocation.blockedAtBrokerMs} ms,`,
  );
  panel.print(
    `applied and signed by ${revocation.acked}/${revocation.expected} devices, p95 ${Math.round(revocation.p95Ms)} ms\n`,
  );
  for (const { name, ok, expected, actual, evidence } of figures.checks) {
    if (ok) panel.step(`${name}: ${JSON.stringify(actual)}  (${evidence})`);
    else panel.warn(`${name}: expected ${JSON.stringify(expected)}, saw ${JSON.stringify(actual)}  (${evidence})`);
  }
  const bad = figures.checks.filter(({ ok }) => !ok).length;
  panel.print(`\n${figures.checks.length - bad} of ${figures.checks.length} checks ok in ${figures.durationS} s`);
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
