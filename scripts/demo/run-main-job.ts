import type { AgeView, ServiceLevelView } from "@fleetcert/controller";
import { localActor } from "./actor.ts";
import { nextAuditSequence, readAudit } from "./audit-figures.ts";
import type { Figures } from "./figures.ts";
import type { Fleet } from "./fleet.ts";
import { allDevices, lookAtFleet } from "./look-at-fleet.ts";
import { mainJobChecks, type Seen } from "./main-job-checks.ts";
import { enrol } from "./scene-enrol.ts";
import { revoke } from "./scene-revoke.ts";
import { rotate } from "./scene-rotate.ts";
import type { Stage } from "./stage.ts";

/** What a run leaves behind. */
export interface MainJob {
  readonly fleet: Fleet;
  readonly figures: Figures;
  readonly age: AgeView;
  readonly serviceLevels: readonly ServiceLevelView[];
}

/** The main job: a fleet enrols, rotates, is revoked, and its certificate age is seen. */
export async function runMainJob(stage: Stage, startedAt: number): Promise<MainJob> {
  const { operations } = stage.controller;
  await retireEarlierFleets(stage);
  const firstEntry = await nextAuditSequence(operations);
  const { fleet, enrolled } = await enrol(stage);
  try {
    const rotation = await rotate(stage, fleet);
    const revocation = await revoke(stage, fleet);
    const seen: Seen = {
      ...{ enrolled, rotation, revocation },
      atEnd: await lookAtFleet(operations, stage.devices),
      audit: await readAudit(operations, firstEntry),
      age: (await operations.fleet.age(localActor, {})).total,
    };
    const { serviceLevels } = await operations.fleet.summary(localActor);
    return { fleet, figures: figuresOf(stage, seen, startedAt), age: seen.age, serviceLevels };
  } catch (error) {
    await fleet.stop();
    throw error;
  }
}

/** Devices of earlier runs are gone for good; they must not be waited for. */
async function retireEarlierFleets({ controller, devices, panel }: Stage): Promise<void> {
  const ours = new Set(devices.map(({ id }) => id));
  const earlier = (await allDevices(controller.operations)).filter(
    ({ id, state }) => state !== "retired" && !ours.has(id),
  );
  for (const { id } of earlier) await controller.operations.devices.retire(localActor, id);
  if (earlier.length > 0) panel.step(`retired ${earlier.length} devices of earlier runs`);
}

function figuresOf(stage: Stage, seen: Seen, startedAt: number): Figures {
  const { devices } = stage;
  const { enrolled, rotation, revocation, audit, age } = seen;
  const protections = [...enrolled.values()].map(({ certificate }) => certificate?.protection);
  const count = (protection: string) => protections.filter((one) => one === protection).length;
  const rotatedOf = (...roles: string[]) =>
    devices.filter(({ id, role }) => roles.includes(role) && rotation.rotated.has(id)).length;
  const propagation = revocation?.propagation;
  return {
    scenario: "main",
    devices: devices.length,
    enrolled: enrolled.size,
    protection: { token: count("token"), software: count("software"), attested: count("attested") },
    rotated: rotation.rotated.size,
    rotationFailures: devices.length - rotation.rotated.size,
    offlineCaughtUp: rotatedOf("cut-off"),
    clockSkewedRotated: rotatedOf("clock-behind", "clock-ahead"),
    revoked: revocation?.revoked.length ?? 0,
    revocation: {
      blockedAtBrokerMs: revocation?.blockedAtBrokerMs ?? 0,
      acked: propagation?.acknowledged ?? 0,
      expected: propagation?.expected ?? 0,
      p50Ms: propagation?.p50 ?? 0,
      p95Ms: propagation?.p95 ?? 0,
    },
    ageHistogram: age.buckets.map((bucket) => ({ label: bucket.label, count: bucket.count })),
    auditEvents: audit.events,
    auditValid: audit.isValid,
    issuance: { p50Ms: audit.issuanceMs.p50, p95Ms: audit.issuanceMs.p95 },
    durationS: Math.round((performance.now() - startedAt) / 100) / 10,
    checks: mainJobChecks(stage, seen),
  };
}
