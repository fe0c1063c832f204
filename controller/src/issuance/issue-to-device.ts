import { type Duration, FleetError, type Instant, spkiSha256 } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import {
  findGranted,
  type IssuanceFacts,
  judgeIssuance,
  namesOf,
  type Profile,
  pendingOf,
  requireNoViolation,
  supersededBy,
} from "../policy/policy.ts";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { DeviceOrder, IssuanceContext } from "./issuance.ts";
import { giveBackClaim } from "./recover-intents.ts";
import { signEndCertificate } from "./sign-end-certificate.ts";

/** Issues to a device: the request is judged, names come from the registry, the CSR only proves possession. */
export async function issueToDevice(context: IssuanceContext, order: DeviceOrder): Promise<CertificateRecord> {
  const key = spkiSha256(order.csr.spki);
  return await signEndCertificate(context, {
    actor: order.actor,
    target: order.device,
    async decide(tx) {
      const now = context.clockGuard.now();
      const facts = await gatherFacts(tx, { context, order, key, now });
      const granted = findGranted({ ...order, certificatesOfKey: facts.certificatesOfKey });
      const violations = judgeIssuance(facts);
      // I7: a blocked device is told so before anything else is said about its request.
      requireNoViolation(violations.filter(({ rule }) => rule.startsWith("device-not-")));
      if (granted !== undefined) return { existing: requireUsable(granted) };
      await order.judge(tx);
      requireNoViolation(violations);
      await countClaim(tx, order.claimId);
      const profile = facts.profile as Profile;
      return {
        certificate: {
          commonName: order.device,
          organization: context.fleet,
          alternativeNames: namesOf(profile, {
            ...{ fleet: context.fleet, device: order.device, slot: order.slot },
            ...siteOf(await tx.devices.find(order.device)),
          }),
          extendedKeyUsage: profile.extendedKeyUsage,
          ...validityOf(profile, { now, issuerNotAfter: facts.issuerNotAfter }),
          spki: order.csr.spki,
          isRsa: order.csr.keyAlgorithm.startsWith("RSA"),
        },
        record: {
          device: order.device,
          slot: order.slot,
          generation: order.generation,
          profile: profile.name,
          protection: order.protection,
          keyAlgorithm: order.csr.keyAlgorithm,
          spkiSha256: key,
          state: "issued",
          provenAt: undefined,
          provenVia: "",
          claimId: order.claimId,
        },
      };
    },
    async commit(tx, certificate) {
      await registerIdentifiers(tx, order, key);
      await endSuperseded(tx, { context, order, certificate });
      const { sha256, device, slot, generation, issuedAt } = certificate;
      await tx.awaitedProofs.put({ sha256, device, slot, generation, issuedAt, notedAt: undefined });
      await order.commit(tx, certificate);
    },
    abandon: giveBackClaim,
  });
}

async function gatherFacts(
  tx: Transaction,
  { context, order, key, now }: { context: IssuanceContext; order: DeviceOrder; key: string; now: Instant },
): Promise<IssuanceFacts> {
  const device = await tx.devices.find(order.device);
  const profileName = profileNameOf(context, order);
  return {
    now,
    device: order.device,
    deviceState: device?.state,
    stateReason: device?.stateReason ?? "",
    slot: order.slot,
    generation: order.generation,
    isReenrolment: order.isReenrolment ?? false,
    profile: context.profiles.get(profileName),
    profileName,
    keyAlgorithm: order.csr.keyAlgorithm,
    protection: order.protection,
    slotCertificates: await tx.certificates.listOf(order.device, order.slot),
    certificatesOfKey: await tx.certificates.listByKey(key),
    blockedTwins: await blockedTwins(tx, order, key),
    issuerNotAfter: context.issuer.certificate.notAfter,
  };
}

/** The profile of the slot: the identity's own, or what that says of its other slots; empty when it says nothing. */
function profileNameOf({ profiles }: IssuanceContext, { slot, profile }: DeviceOrder): string {
  const slots = profiles.get(profile)?.slots ?? {};
  return slot === "identity" ? profile : Object.hasOwn(slots, slot) ? (slots[slot] ?? "") : "";
}

function siteOf(device: DeviceRecord | undefined) {
  const { site = "", environment = "" } = device?.attributes ?? {};
  return { site, environment };
}

/** Other devices, suspended or retired, that have or had the key, the token or the TPM; a device's own known token is no news. */
async function blockedTwins(tx: Transaction, order: DeviceOrder, key: string): Promise<DeviceRecord[]> {
  const own = await tx.identifiers.listOf(order.device);
  const wanted = identifiersOf(order, key).filter(
    ({ kind, value }) => !own.some((one) => one.kind === kind && one.value === value),
  );
  const ids = new Set<string>();
  for (const { kind, value } of wanted) {
    for (const id of await tx.identifiers.devicesOf(kind, value)) if (id !== order.device) ids.add(id);
  }
  const blocked: DeviceRecord[] = [];
  for (const id of ids) {
    const twin = await tx.devices.find(id);
    if (twin !== undefined && twin.state !== "active") blocked.push(twin);
  }
  return blocked;
}

function identifiersOf({ tokenSerial, endorsementKey = "" }: DeviceOrder, key: string) {
  return [
    { kind: "spki" as const, value: key },
    { kind: "token-serial" as const, value: tokenSerial },
    { kind: "ek" as const, value: endorsementKey },
  ].filter(({ value }) => value !== "");
}

async function registerIdentifiers(tx: Transaction, order: DeviceOrder, key: string): Promise<void> {
  for (const identifier of identifiersOf(order, key)) await tx.identifiers.add({ ...identifier, device: order.device });
}

/** The same certificate again, unless it has ended meanwhile. */
function requireUsable(granted: CertificateRecord): CertificateRecord {
  if (granted.state === "issued" || granted.state === "proven") return granted;
  throw new FleetError(
    "key-spent",
    `generation ${granted.generation} of ${granted.slot} was issued for this key and is ${granted.state}`,
    { hint: "make a new key and ask again" },
  );
}

async function countClaim(tx: Transaction, claimId: string): Promise<void> {
  const claim = claimId === "" ? undefined : await tx.claims.find(claimId);
  if (claim !== undefined) await tx.claims.put({ ...claim, uses: claim.uses + 1 });
}

/** Ends what the new certificate replaces: pending ones of its generation, and all up to generation n−2 (I5). */
async function endSuperseded(
  tx: Transaction,
  { context, order, certificate }: { context: IssuanceContext; order: DeviceOrder; certificate: CertificateRecord },
): Promise<void> {
  const now = context.surroundings.clock.now();
  const all = await tx.certificates.listOf(order.device, order.slot);
  const { generation } = certificate;
  const ending = [...pendingOf(all, generation), ...supersededBy(all, { generation, now })];
  for (const old of ending.filter(({ sha256 }) => sha256 !== certificate.sha256)) {
    const { issuer, serial, shard, index, notAfter } = old;
    await tx.certificates.put({ ...old, state: "revoked", revokedAt: now, revocationReason: "superseded" });
    await tx.revocations.put({
      issuer,
      serial,
      shard,
      index,
      notAfter,
      reason: "superseded",
      revokedAt: now,
      epoch: 0,
    });
    await appendAudit(tx, {
      at: now,
      actor: order.actor,
      action: "certificate.revoked",
      target: order.device,
      outcome: "success",
      details: { serial, reason: "superseded", generation: String(old.generation), by: certificate.serial },
    });
  }
}

/** Backdated for slow clocks, cut to whole seconds as DER has them, never beyond the issuer. */
export function validityOf(
  profile: { readonly validity: Duration; readonly backdate: Duration },
  { now, issuerNotAfter }: { readonly now: Instant; readonly issuerNotAfter: Instant },
): { readonly notBefore: Instant; readonly notAfter: Instant } {
  const seconds = (instant: Instant): Instant => Math.floor(instant / 1000) * 1000;
  return {
    notBefore: seconds(now - profile.backdate),
    notAfter: seconds(Math.min(now + profile.validity, issuerNotAfter)),
  };
}
