import { type AgeView, distributionText, type ServiceLevelView, serviceLevelText } from "@fleetcert/controller";
import { localActor } from "./actor.ts";
import { nextAuditSequence, readAudit } from "./audit-figures.ts";
import type { MainJobFigures } from "./figures.ts";
import { lookAtFleet } from "./look-at-fleet.ts";
import { checkMainJob, type Seen } from "./main-job-checks.ts";
import { retireEarlierFleets } from "./retire-earlier-fleets.ts";
import type { Scene } from "./scene.ts";
import { enrol } from "./scene-enrol.ts";
import { revoke } from "./scene-revoke.ts";
import { rotate } from "./scene-rotate.ts";
import type { Stage } from "./stage.ts";

/** The main job: a fleet enrols, rotates, is revoked, and its certificate age is seen. */
export const mainJob: Scene = async (stage, checks) => {
  const { operations } = stage.controller;
  await retireEarlierFleets(stage);
  const firstEntry = await nextAuditSequence(operations);
  const { fleet, enrolled } = await enrol(stage);
  const rotation = await rotate(stage, fleet);
  const revocation = await revoke(stage, fleet);
  const seen: Seen = {
    ...{ enrolled, rotation, revocation },
    atEnd: await lookAtFleet(operations, stage.devices),
    audit: await readAudit(operations, firstEntry),
    age: (await operations.fleet.age(localActor, {})).total,
  };
  checkMainJob(checks, stage, seen);
  const figures = figuresOf(stage, seen);
  const { serviceLevels } = await operations.fleet.summary(localActor);
  print(stage, figures, { age: seen.age, serviceLevels });
  return { ...figures };
};

function print(
  { panel }: Stage,
  { issuance, revocation }: MainJobFigures,
  { age, serviceLevels }: { readonly age: AgeView; readonly serviceLevels: readonly ServiceLevelView[] },
): void {
  panel.print(`\ncertificate age of ${distributionText(age)}`);
  panel.print(`\n${serviceLevelText(serviceLevels)}`);
  panel.print(
    `issuance p50 ${issuance.p50Ms} ms, p95 ${issuance.p95Ms} ms · revocation blocked at the broker in ${revocation.blockedAtBrokerMs} ms,`,
  );
  panel.print(
    `applied and signed by ${revocation.acked}/${revocation.expected} devices, p95 ${Math.round(revocation.p95Ms)} ms\n`,
  );
}

function figuresOf(stage: Stage, seen: Seen): MainJobFigures {
  const { devices } = stage;
  const { enrolled, rotation, revocation, audit, age } = seen;
  const protections = [...enrolled.values()].map(({ certificate }) => certificate?.protection);
  const count = (protection: string) => protections.filter((one) => one === protection).length;
  const rotatedOf = (...roles: string[]) =>
    devices.filter(({ id, role }) => roles.includes(role) && rotation.rotated.has(id)).length;
  const propagation = revocation?.propagation;
  return {
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
  };
}
