import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { localActor } from "./actor.ts";
import { serviceProfiles } from "./controller-process.ts";
import { type HostService, programPath, startMosquittoService, startNginxService } from "./host-service.ts";
import { type LoneDevice, prepareDevice } from "./lone-device.ts";
import type { Scene } from "./scene.ts";
import type { Stage } from "./stage.ts";
import { httpExchange, type LoadFigures, mqttExchange, servedSha256, startLoad } from "./steady-load.ts";
import { until } from "./until.ts";

/**
 * A device keeps the certificates of its nginx and its Mosquitto: they are rotated under a steady load of connections, and nginx goes
 * back to the one before when its configuration does not let it take the new one.
 */
export const rotateServices: Scene = async (stage, checks) => {
  const { panel } = stage;
  const services = await startServices(stage);
  const slots = services.map(({ service }) => service.slot);
  const device = await prepareDevice(stage, "server", { profile: serviceProfiles.identity, settings: { slots } });
  device.start();
  await device.untilProven(1);
  for (const { slot } of services) await untilGeneration(device, slot, 1);

  const loads = services.map(({ service, exchange }) => startLoad({ port: service.port, clients: 3, exchange }));
  for (const { slot } of services) await rotate(stage, device, slot);
  for (const { slot } of services) await untilGeneration(device, slot, 2);
  const before = loads.map((load) => load.figures().requests);
  await until(async () => loads.every((load, index) => load.figures().requests > (before[index] ?? 0) + 20), Boolean, {
    timeoutMs: 10_000,
  });
  const seen = await Promise.all(loads.map((load) => load.stop()));
  const requests = sum(seen, (load) => load.requests);
  const failed = sum(seen, (load) => load.failed);
  panel.step(`rotated ${slots.length} services under load: ${requests} connections, ${failed} failed`);
  const evidence = `of ${requests} TLS connections to ${services.map(({ slot }) => slot).join(" and ")}`;
  checks.equal("service-requests-failed", 0, failed, evidence);
  checks.equal(
    "service-certificates-served",
    services.map(() => 2),
    seen.map(({ served }) => served.length),
    "SHA-256 of the certificates seen by clients",
  );

  const [first] = services;
  if (first !== undefined) await goBack(stage, checks, { ...first, device });
  return { services: { requests, failed } };
};

interface PlayedService {
  readonly slot: string;
  readonly service: HostService;
  readonly exchange: typeof httpExchange;
}

async function startServices(stage: Stage): Promise<PlayedService[]> {
  const kinds = [
    { name: "nginx", slot: "web", start: startNginxService, exchange: httpExchange },
    { name: "mosquitto", slot: "mqtt", start: startMosquittoService, exchange: mqttExchange },
  ] as const;
  const played: PlayedService[] = [];
  for (const { name, slot, start, exchange } of kinds) {
    if (programPath(name) === undefined) {
      stage.panel.warn(`${name} is not installed and left out; apt-get install ${name}`);
      continue;
    }
    const folder = join(stage.place.agents, `${name}-service-${stage.place.run}`);
    await mkdir(folder, { mode: 0o700 });
    const service = await start(folder, slot);
    stage.atEnd(() => service.stop());
    // The service reads the key from a file; the device's identity stays wherever its keys are.
    played.push({ slot, exchange, service: { ...service, slot: { ...service.slot, keys: { provider: "software" } } } });
  }
  return played;
}

async function goBack(
  stage: Stage,
  checks: Parameters<Scene>[1],
  { device, service, slot }: PlayedService & { readonly device: LoneDevice },
): Promise<void> {
  const old = await servedSha256(service.port);
  await service.breakReload(true);
  await rotate(stage, device, slot);
  const state = await until(
    () => slotOf(device, slot),
    (seen) => (seen?.rollbacks ?? 0) > 0,
    { timeoutMs: 30_000, everyMs: 300 },
  );
  checks.equal(
    "rollback-served-old-sha256",
    old,
    await servedSha256(service.port),
    `served by ${slot}: ${state?.rollbackCause}`,
  );
  await service.breakReload(false);
  await untilGeneration(device, slot, 3);
  checks.equal(
    "rollback-recovered",
    false,
    (await servedSha256(service.port)) === old,
    "the new one once the reload works",
  );
}

async function rotate({ controller }: Stage, device: LoneDevice, slot: string): Promise<void> {
  await controller.operations.rotations.request(localActor, { devices: [device.id], slot });
}

async function slotOf(device: LoneDevice, name: string) {
  const status = await device.status().catch(() => undefined);
  return status?.slots.find(({ slot }) => slot === name);
}

async function untilGeneration(device: LoneDevice, slot: string, generation: number): Promise<void> {
  await until(
    () => slotOf(device, slot),
    (seen) => seen?.journal === "idle" && (seen.certificate?.generation ?? 0) >= generation,
    { timeoutMs: 60_000, everyMs: 300 },
  );
}

function sum(figures: readonly LoadFigures[], of: (figures: LoadFigures) => number): number {
  return figures.reduce((total, one) => total + of(one), 0);
}
