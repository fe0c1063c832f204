import type { AgeView, DeviceView, ServiceLevelView } from "@fleetcert/controller";
import { localActor } from "./actor.ts";
import { type AuditFigures, nextAuditSequence, readAudit } from "./audit-figures.ts";
import { Checks } from "./checks.ts";
import type { Figures } from "./figures.ts";
import type { Fleet } from "./fleet.ts";
import { allDevices, lookAtFleet } from "./look-at-fleet.ts";
import { enrol } from "./scene-enrol.ts";
import { isRefused, type RevocationOutcome, revoke } from "./scene-revoke.ts";
import { type RotationOutcome, rotate } from "./scene-rotate.ts";
import type { Stage } from "./stage.ts";

/** What a run leaves behind. */
export interface MainJob {
  readonly fleet: Fleet;
  readonly figures: Figures;
  readonly age: AgeView;
  readonly serviceLevels: readonly ServiceLevelView[];
}

/** What was seen in the scenes. */
interface Seen {
  readonly enrolled: ReadonlyMap<string, DeviceView>;
  readonly rotation: RotationOutcome;
  readonly revocation: RevocationOutcome | undefined;
  readonly atEnd: ReadonlyMap<string, DeviceView>;
  readonly audit: AuditFigures;
  readonly age: AgeView;
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
    checks: checksOf(stage, seen),
  };
}

function checksOf({ devices, keyStore }: Stage, seen: Seen): Figures["checks"] {
  const { enrolled, rotation, revocation, atEnd, audit, age } = seen;
  const checks = new Checks();
  const total = devices.length;
  const protection = keyStore.kind === "pkcs11" ? "token" : "software";
  const protectedSo = [...enrolled.values()].filter(({ certificate }) => certificate?.protection === protection);
  checks.equal("enrolled", total, enrolled.size, "identity certificates proven in use, device list");
  checks.equal(
    `protection-${protection}`,
    total,
    protectedSo.length,
    "protection of the first certificates, device list",
  );
  checks.equal("rotated", total, rotation.rotated.size, "certificates of generation 2 proven in use, device list");
  if (rotation.whileCut !== undefined) {
    const whileCut = { oldProven: true, newState: "issued" };
    checks.equal(
      "cut-off-kept-old",
      whileCut,
      rotation.whileCut,
      "its certificates while its network was gone, device show",
    );
    const caughtUp = devices.filter(({ id, role }) => role === "cut-off" && rotation.rotated.has(id)).length;
    checks.equal("offline-caught-up", 1, caughtUp, "generation 2 proven after the network came back");
    const skewed = devices.filter(({ role }) => role === "clock-behind" || role === "clock-ahead");
    const offsets = skewed.map(({ id }) => Math.round((atEnd.get(id)?.clockOffset ?? 0) / day));
    checks.equal(
      "clock-skewed-rotated",
      2,
      skewed.filter(({ id }) => rotation.rotated.has(id)).length,
      "generation 2 proven",
    );
    checks.equal("clock-offset-days", [-2, 2], offsets, "clock offset the two report, device list");
  }
  if (revocation !== undefined) {
    const expected = Math.min(3, Math.floor(total / 8));
    const { propagation, refusals, revoked } = revocation;
    const suspended = revoked.filter((id) => atEnd.get(id)?.state === "suspended").length;
    const offline = revoked.filter((id) => atEnd.get(id)?.connected === false).length;
    checks.equal("revoked", expected, suspended, "devices suspended with every certificate revoked, device list");
    checks.equal("dropped-live", expected, revocation.droppedSessions, "sessions the broker dropped, answer of revoke");
    checks.equal(
      "refused-at-broker",
      expected,
      refusals.filter(isRefused).length,
      "CONNACK refused, as the revoked agents say",
    );
    checks.equal("revoked-offline", expected, offline, "presence of the revoked devices at the end, device list");
    checks.equal(
      "acknowledged",
      total - expected,
      propagation.acknowledged,
      `signed acks of epoch ${propagation.epoch}`,
    );
    checks.equal("expected-acks", total - expected, propagation.expected, "active devices when it was published");
  }
  const living = total - (revocation?.revoked.length ?? 0);
  checks.equal("age-counted", living, age.count, "certificates in the age distribution: one for each living device");
  checks.equal("audit-valid", true, audit.isValid, "fleetcert audit verify");
  checks.atLeast(
    "audit-covers-issuance",
    total * 2,
    audit.issuanceMs.count,
    "issuances with intent and outcome in the audit",
  );
  return checks.all;
}

const day = 86_400_000;
