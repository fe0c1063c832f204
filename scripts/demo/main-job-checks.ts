import type { AgeView, DeviceView } from "@fleetcert/controller";
import type { AuditFigures } from "./audit-figures.ts";
import type { Checks } from "./checks.ts";
import { keyStoreOf, protectionOf } from "./key-store.ts";
import { isRefused, type RevocationOutcome } from "./scene-revoke.ts";
import type { RotationOutcome } from "./scene-rotate.ts";
import type { Stage } from "./stage.ts";

/** What was seen in the scenes. */
export interface Seen {
  readonly enrolled: ReadonlyMap<string, DeviceView>;
  readonly rotation: RotationOutcome;
  readonly revocation: RevocationOutcome | undefined;
  readonly atEnd: ReadonlyMap<string, DeviceView>;
  readonly audit: AuditFigures;
  readonly age: AgeView;
}

/** Holds what was seen against what a good run must show. */
export function checkMainJob(checks: Checks, stage: Stage, seen: Seen): void {
  checkEnrolment(checks, stage, seen);
  checkRotation(checks, stage, seen);
  checkClocks(checks, stage, seen);
  if (seen.revocation !== undefined) checkRevocation(checks, stage, { ...seen, revocation: seen.revocation });
  checkBooks(checks, stage, seen);
}

function checkEnrolment(checks: Checks, { devices, keyStore }: Stage, { enrolled }: Seen): void {
  checks.equal("enrolled", devices.length, enrolled.size, "identity certificates proven in use, device list");
  const evidence = "protection of the first certificates, device list";
  const expected = Map.groupBy(devices, (_, index) => protectionOf[keyStoreOf(keyStore, index)]);
  for (const [protection, { length }] of expected) {
    const seen = [...enrolled.values()].filter(({ certificate }) => certificate?.protection === protection);
    checks.equal(`protection-${protection}`, length, seen.length, evidence);
  }
}

function checkRotation(checks: Checks, { devices, keyStore }: Stage, { rotation, atEnd }: Seen): void {
  const { rotated, whileCut } = rotation;
  checks.equal("rotated", devices.length, rotated.size, "certificates of generation 2 proven in use, device list");
  const withTpm = devices.filter((_, index) => keyStoreOf(keyStore, index) === "tpm");
  const stillAttested = withTpm.filter(({ id }) => atEnd.get(id)?.certificate?.protection === "attested").length;
  if (withTpm.length > 0)
    checks.equal(
      "rotated-attested",
      withTpm.length,
      stillAttested,
      "protection of the second certificates, device list",
    );
  if (whileCut === undefined) return;
  const expected = { oldProven: true, newState: "issued" };
  checks.equal("cut-off-kept-old", expected, whileCut, "its certificates while its network was gone, device show");
  const caughtUp = devices.filter(({ id, role }) => role === "cut-off" && rotated.has(id)).length;
  checks.equal("offline-caught-up", 1, caughtUp, "generation 2 proven after the network came back");
}

function checkClocks(checks: Checks, { devices }: Stage, { rotation, atEnd }: Seen): void {
  const skewed = devices.filter(({ role }) => role === "clock-behind" || role === "clock-ahead");
  if (skewed.length === 0) return;
  const rotated = skewed.filter(({ id }) => rotation.rotated.has(id)).length;
  const offsets = skewed.map(({ id }) => Math.round((atEnd.get(id)?.clockOffset ?? 0) / day));
  checks.equal("clock-skewed-rotated", 2, rotated, "generation 2 proven");
  checks.equal("clock-offset-days", [-2, 2], offsets, "clock offset the two report, device list");
}

function checkRevocation(
  checks: Checks,
  { devices }: Stage,
  { atEnd, revocation }: Seen & { readonly revocation: RevocationOutcome },
): void {
  const expected = Math.min(3, Math.floor(devices.length / 8));
  const living = devices.length - expected;
  const { propagation, refusals, revoked, droppedSessions } = revocation;
  const suspended = revoked.filter((id) => atEnd.get(id)?.state === "suspended").length;
  const offline = revoked.filter((id) => atEnd.get(id)?.connected === false).length;
  const refused = refusals.filter(isRefused).length;
  checks.equal("revoked", expected, suspended, "devices suspended with every certificate revoked, device list");
  checks.equal("dropped-live", expected, droppedSessions, "sessions the broker dropped, answer of revoke");
  checks.equal("refused-at-broker", expected, refused, "CONNACK refused, as the revoked agents say");
  checks.equal("revoked-offline", expected, offline, "presence of the revoked devices at the end, device list");
  checks.equal("acknowledged", living, propagation.acknowledged, `signed acks of epoch ${propagation.epoch}`);
  checks.equal("expected-acks", living, propagation.expected, "active devices when it was published");
}

function checkBooks(checks: Checks, { devices }: Stage, { age, audit, revocation }: Seen): void {
  const living = devices.length - (revocation?.revoked.length ?? 0);
  checks.equal("age-counted", living, age.count, "certificates in the age distribution: one for each living device");
  checks.equal("audit-valid", true, audit.isValid, "fleetcert audit verify");
  const evidence = "issuances with intent and outcome in the audit";
  checks.atLeast("audit-covers-issuance", devices.length * 2, audit.issuanceMs.count, evidence);
}

const day = 86_400_000;
