import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectController, initController, type Operations } from "@fleetcert/controller";
import { FleetError } from "@fleetcert/shared";
import { parseDocument } from "yaml";
import { type Child, startChild } from "./child.ts";
import { manufacturerIn } from "./emulated-tpm.ts";
import { chooseBroker, startOnlyMosquitto } from "./only-mosquitto.ts";
import type { DemoBroker } from "./options.ts";
import { until } from "./until.ts";
import { repository, type Workplace } from "./workplace.ts";

/** The controller of the demo, a process of its own: `fleetcert serve`. */
export interface ControllerProcess {
  readonly operations: Operations;
  readonly endpoints: Endpoints;
  readonly rootSha256: string;
  /** Lets the process stand still, as a controller that is down; gives what lets it go on. */
  freeze(): () => void;
  stop(): Promise<void>;
}

/** Actual addresses of a running controller, from its `run/endpoints.json`. */
export interface Endpoints {
  readonly operational: { readonly host: string; readonly port: number };
  readonly bootstrap: { readonly host: string; readonly port: number };
  readonly http: { readonly host: string; readonly port: number };
  readonly api: { readonly host: string; readonly port: number };
}

/** Makes the PKI when there is none, starts the controller on free ports and waits until it is ready. */
export async function startController(
  place: Workplace,
  { broker }: { readonly broker: DemoBroker },
): Promise<ControllerProcess> {
  if (!place.hasPki) {
    await initController({
      data: place.controller,
      fleet: "demo",
      hosts: ["127.0.0.1", "localhost"],
      rootPassphrase: undefined,
      settings: demoSettings,
    });
  }
  await believeManufacturer(place);
  await offerProfiles(place);
  await chooseBroker(place, undefined);
  const mosquitto = broker === "mosquitto" ? await startOnlyMosquitto(place) : undefined;
  const endpointsFile = join(place.controller, "run", "endpoints.json");
  await rm(endpointsFile, { force: true });
  const child = startChild([join(repository, "controller/src/main.ts"), "serve", "--data", place.controller], {
    logFile: join(place.logs, "controller.log"),
  });
  const endpoints = await until(() => readEndpoints(endpointsFile), isReady(child), { timeoutMs: 60_000 });
  if (endpoints === undefined) {
    await child.stop();
    await mosquitto?.stop();
    throw new FleetError("internal", "the controller did not become ready", { hint: `its log: ${child.logFile}` });
  }
  const operations = await connectController({ data: place.controller }, process.env);
  return {
    operations,
    endpoints,
    rootSha256: await rootOf(operations),
    freeze: () => freeze(child),
    async stop() {
      await child.stop();
      await mosquitto?.stop();
    },
  };
}

/** Where the demo's TPMs have been given a manufacturer, it is the one whose TPMs may prove keys. */
async function believeManufacturer({ controller, manufacturer }: Workplace): Promise<void> {
  const { root, ca } = manufacturerIn(manufacturer);
  if (!existsSync(root) || !existsSync(ca)) return;
  const file = join(controller, "config.yaml");
  const config = parseDocument(await readFile(file, "utf8"));
  config.set("attestation", config.createNode({ manufacturerRoots: [root], manufacturerCas: [ca] }));
  await writeFile(file, config.toString());
}

function freeze(child: Child): () => void {
  child.process.kill("SIGSTOP");
  return () => void child.process.kill("SIGCONT");
}

/** Certificates that end within a scene. */
export const fleetingProfile = { name: "fleeting", validityMs: 20_000 };

/** The profile of devices that keep certificates of their services, and of those certificates. */
export const serviceProfiles = { identity: "host", service: "service" };

async function offerProfiles({ controller }: Workplace): Promise<void> {
  const file = join(controller, "profiles.yaml");
  const profiles = parseDocument(await readFile(file, "utf8"));
  const { name, validityMs } = fleetingProfile;
  profiles.setIn(["profiles", name], profiles.createNode({ validity: `${validityMs / 1000}s` }));
  const { identity, service } = serviceProfiles;
  profiles.setIn(["profiles", identity], profiles.createNode({ slots: { web: service, mqtt: service } }));
  const served = { extendedKeyUsage: ["serverAuth"], alternativeNames: ["localhost", "{device}.{site}.example"] };
  profiles.setIn(["profiles", service], profiles.createNode(served));
  await writeFile(file, profiles.toString());
}

/** Stops waiting when it is there, or when the process has ended and it never will be. */
function isReady(child: Child): (endpoints: Endpoints | undefined) => boolean {
  return (endpoints) => endpoints !== undefined || child.process.exitCode !== null;
}

async function readEndpoints(file: string): Promise<Endpoints | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Endpoints;
  } catch {
    return undefined;
  }
}

async function rootOf(operations: Operations): Promise<string> {
  const { roots } = await operations.trust.show({ name: "local", role: "admin" });
  return roots[0]?.sha256 ?? "";
}

/** Free ports, a short grace so that retired keys can be seen to go, and room to retire the fleets of earlier runs. */
const demoSettings = {
  listeners: {
    operational: { host: "127.0.0.1", port: 0 },
    bootstrap: { host: "127.0.0.1", port: 0 },
    http: { host: "127.0.0.1", port: 0 },
    api: { host: "127.0.0.1", port: 0 },
  },
  bounds: { revokeAlone: 10_000, claimUsesAlone: 100_000 },
  graceAfterProof: "10s",
  renewalWindow: "5s",
  reportInterval: "1m",
};
