import { nodeCredentialCrypto } from "@fleetcert/hw";
import { type CourierPart, decodeEnvelope, decodeTrustBundle } from "@fleetcert/proto";
import { type EndorsementPolicy, type KeyProvider, parseCertificate, sha256Hex, spkiSha256 } from "@fleetcert/shared";
import { selectDevices } from "../../access/select-devices.ts";
import { zstdListPatches } from "../../adapters/compression/zstd-list-patches.ts";
import { openSnapshotThread } from "../../adapters/snapshots/snapshot-thread.ts";
import { type Approval, openApproval, type PlanKind } from "../../approval/approval.ts";
import { type Attestation, openAttestation } from "../../attestation/attestation.ts";
import { type Config, durationOf, siteMaintenance } from "../../config.ts";
import { type Courier, openCourier } from "../../courier/courier.ts";
import { type Enrolment, openEnrolment } from "../../enrolment/enrolment.ts";
import { openIntake } from "../../intake/intake.ts";
import { type Inventory, openInventory } from "../../inventory/inventory.ts";
import { type ClockGuard, openClockGuard } from "../../issuance/clock-guard.ts";
import { type Issuance, openIssuance } from "../../issuance/issuance.ts";
import { type Outbox, openOutbox } from "../../outbox/outbox.ts";
import type { Profile } from "../../policy/policy.ts";
import { adoptProfiles } from "../../policy/profiles-in-force.ts";
import type {
  Broker,
  BrokerEvents,
  CertificateAuthority,
  CounterAnchor,
  ListArchive,
  Surroundings,
} from "../../ports.ts";
import { type ListFollowers, openRevocation, type Revocation } from "../../revocation/revocation.ts";
import { openRollouts, type Rollouts } from "../../rollout/rollout.ts";
import { openRollovers, type Rollovers } from "../../rollover/rollover.ts";
import type { Store } from "../../store-port.ts";
import { type Issuers, openIssuers } from "../../trust/issuers.ts";
import { type ListenerCertificates, openListenerCertificates } from "../../trust/listener-certificates.ts";
import { openTrust, type Trust } from "../../trust/trust.ts";

/** Everything a controller is made of, opened by whoever starts it: a process, or a test. */
export interface ControllerParts {
  readonly config: Config;
  /** As profiles.yaml says; what holds is what {@link adoptProfiles} makes of them. */
  readonly profiles: ReadonlyMap<string, Profile>;
  /** The plain store; duties use the one of {@link Duties.outbox}. */
  readonly store: Store;
  /** Which TPMs may prove keys. */
  readonly endorsements: EndorsementPolicy;
  readonly surroundings: Surroundings;
  readonly anchor: CounterAnchor;
  readonly archive: ListArchive;
  /** Issuing, command and listener keys. */
  readonly keys: KeyProvider;
  readonly authority: CertificateAuthority;
  /** Envelopes of every trust bundle, oldest first. */
  readonly bundles: readonly Uint8Array[];
  readonly saveBundle: (version: number, envelope: Uint8Array) => Promise<void>;
  /** Undefined until it is open; it is opened with {@link Duties.events}. */
  readonly broker: () => Broker | undefined;
  /** Undefined until they are open, or where there are none. */
  readonly followers?: () => ListFollowers | undefined;
  /** `http://host:port` of the CRL distribution point. */
  readonly crlBase: string;
  /** A shard was opened or its reserved range grew: {@link Revocation.publishIfDue} is worth a call. */
  readonly coverageGrew: () => void;
}

/** The duties of a controller, wired to each other. */
export interface Duties {
  readonly store: Store;
  readonly outbox: Outbox;
  readonly trust: Trust;
  readonly issuers: Issuers;
  /** Under its certificate of the trust bundle in force. */
  readonly authority: CertificateAuthority;
  readonly clockGuard: ClockGuard;
  /** Under the CA that issues now. */
  readonly issuance: Issuance;
  /** Under the CA of an id, also one that is retired: for its lists, and for who answers about its certificates. */
  readonly issuanceOf: (issuer: string) => Issuance;
  readonly inventory: Inventory;
  readonly approval: Approval;
  readonly revocation: Revocation;
  readonly enrolment: Enrolment;
  readonly attestation: Attestation;
  readonly courier: Courier;
  readonly rollouts: Rollouts;
  readonly rollovers: Rollovers;
  readonly listeners: ListenerCertificates;
  readonly events: BrokerEvents;
}

/** Wires the duties: data flows from intake to outbox, no duty calls back up. */
export async function wireDuties(parts: ControllerParts): Promise<Duties> {
  const { config, surroundings, anchor, keys } = parts;
  const outbox = openOutbox({ store: parts.store, surroundings, broker: parts.broker });
  const { store } = outbox;
  const graceAfterProof = durationOf(config.graceAfterProof);
  const renewAfterExpiry = durationOf(config.renewAfterExpiry);
  const policy = await adoptProfiles({ store, surroundings, wanted: parts.profiles });
  const { profiles } = policy;
  const clockGuard = await openClockGuard({
    ...{ store, clock: surroundings.clock, issuer: parts.authority.id, era: newestEra(parts.bundles) },
    limit: durationOf(config.maxClockLeap),
  });
  const trust = await openTrust({
    ...{ store, surroundings, keys, bundles: parts.bundles, saveBundle: parts.saveBundle },
    believedNow: () => clockGuard.now(),
  });
  const issuers = await openIssuers({
    ...{ store, keys, first: parts.authority, bundles: parts.bundles },
    bundle: () => trust.current(),
    roots: () => trust.roots(),
  });
  const authority = issuers.issuing;
  const issuanceParts = {
    ...{ store, surroundings, anchor, profiles, clockGuard },
    fleet: config.fleet,
    crlBase: parts.crlBase,
    ocspUri: config.revocation.ocsp ? `${parts.crlBase}/ocsp` : undefined,
    shardSpan: durationOf(config.shardSpan),
    coverageGrew: parts.coverageGrew,
  };
  const issuance = openIssuance({ ...issuanceParts, present: () => issuers.present() });
  const listSigners = new Map<string, Issuance>();
  /** What signs the lists of one issuer, also of one that issues nothing any more. */
  const listSigner = (of: CertificateAuthority): Issuance => {
    const found = listSigners.get(of.id) ?? openIssuance({ ...issuanceParts, present: () => of });
    listSigners.set(of.id, found);
    return found;
  };
  const issuanceOf = (id: string): Issuance => listSigner(issuers.require(id));
  const broker: Pick<Broker, "dropSessions"> = {
    dropSessions: async (device, certificate) => (await parts.broker()?.dropSessions(device, certificate)) ?? 0,
  };
  const kinds: PlanKind[] = [];
  const approval = await openApproval({
    ...{ store, surroundings, kinds: () => kinds },
    configured: {
      revoke: config.bounds.revokeAlone,
      reinstate: config.bounds.reinstateAlone,
      claim: config.bounds.claimUsesAlone,
    },
    planValidFor: durationOf(config.bounds.planValidFor),
  });
  const inventory = openInventory({
    ...{ store, surroundings, profiles, broker },
    sealer: trust,
    reportInterval: durationOf(config.reportInterval),
    renewalWindow: durationOf(config.renewalWindow),
    retryAfter,
    siteMaintenance: siteMaintenance(config),
    suspendByMachine: config.bounds.suspendByMachine,
  });
  const revocation = openRevocation({
    ...{ store, surroundings, anchor, inventory, broker, approval },
    issuers: () => issuers.all().map((of) => ({ authority: of, issuance: listSigner(of) })),
    followers: parts.followers ?? (() => undefined),
    devicesBy: (tx, filter) => selectDevices(tx, filter, { now: surroundings.clock.now(), inventory }),
    archive: parts.archive,
    patcher: zstdListPatches,
    snapshots: openSnapshotThread(),
    sealer: trust,
    flush: () => outbox.drain(),
    settings: {
      crlNextUpdate: durationOf(config.revocation.crlNextUpdate),
      headNextUpdate: durationOf(config.revocation.headNextUpdate),
      crlRefresh: durationOf(config.revocation.crlRefresh),
      deltaLists: config.revocation.deltaLists,
      keepAfterExpiry: renewAfterExpiry + clockAllowance,
    },
  });
  kinds.push(...approval.kinds, ...revocation.planKinds, policy.kind);
  await policy.propose(approval);
  const attestation = openAttestation({
    ...{ store, surroundings, endorsements: parts.endorsements },
    crypto: nodeCredentialCrypto,
    sealer: trust,
  });
  const enrolment = openEnrolment({
    ...{
      store,
      surroundings,
      issuance,
      inventory,
      attestation,
      authority,
      approval,
      graceAfterProof,
      renewAfterExpiry,
    },
    proveWithin: durationOf(config.proveWithin),
    trust: { fleet: config.fleet, rootSha256: () => rootPin(authority), walk: () => trust.walk() },
  });
  const listeners = openListenerCertificates({
    ...{ store, surroundings, issuers, keys },
    issuanceOf,
    validity: durationOf(config.listenerValidity),
    backdate: 3_600_000,
  });
  const events = openIntake({
    ...{ store, surroundings, graceAfterProof, renewAfterExpiry },
    roots: () => issuers.roots(),
    issuers: () => issuers.all().map(({ certificate }) => certificate),
    sealer: trust,
    trustWalk: () => trust.walk(),
    handlers: {
      ...{ ...enrolment.handlers, ...inventory.handlers, ...revocation.handlers, ...attestation.handlers },
      // Whoever reports has subscribed to what is asked of it; at CONNECT it has not.
      async report(received, reply) {
        await inventory.handlers.report?.(received, reply);
        await attestation.repeatQuestion(received.device);
      },
    },
    sessionChanged: (change) => inventory.sessionChanged(change),
  });
  const rollouts = openRollouts({
    ...{ store, surroundings, inventory, proveWithin: durationOf(config.proveWithin) },
    renewalWindow: durationOf(config.renewalWindow),
  });
  const rollovers = openRollovers({
    ...{ store, surroundings, trust, issuers, rollouts, inventory },
    publish: () => revocation.publishIfDue(),
  });
  const courier = openCourier({
    ...{ store, surroundings, sealer: trust, intake: events },
    async carried(device, options) {
      const desired = await inventory.carriedDesired(device);
      const lists = (await revocation.carried(options)).filter(({ topic }) => isTrusted(trust, topic));
      return [...carriedTrust(trust), ...(desired ? [desired] : []), ...lists];
    },
  });
  const duties = { store, outbox, trust, issuers, authority, clockGuard, issuance, inventory, revocation, enrolment };
  return { ...duties, issuanceOf, attestation, approval, courier, rollouts, rollovers, listeners, events };
}

/** RFC 9773 §4.3.2: every 6 hours unless there is a reason for another. */
const retryAfter = 6 * 3_600_000;
/** How far a device's clock may be behind when it judges an expired certificate. */
const clockAllowance = 86_400_000;

/** The root that new claims pin: that of the CA which issues now, and which our listeners present. */
function rootPin({ chain: [root], certificate }: CertificateAuthority): string {
  return sha256Hex(root ?? certificate);
}

/** The way from any root this fleet has had to the bundle in force. */
function carriedTrust(trust: Trust): CourierPart[] {
  return trust.walk().map((payload) => {
    const { version } = decodeTrustBundle(decodeEnvelope(payload).payload);
    return { topic: { type: "trust-version", version }, payload };
  });
}

/** A device takes nothing of an issuer that has left the bundle. */
function isTrusted(trust: Trust, topic: CourierPart["topic"]): boolean {
  const issuers = trust.current().issuers.map((der) => spkiSha256(parseCertificate(der).spki));
  return !("issuer" in topic) || issuers.includes(topic.issuer);
}

function newestEra(bundles: readonly Uint8Array[]): number {
  const newest = bundles.at(-1);
  return newest === undefined ? 0 : decodeTrustBundle(decodeEnvelope(newest).payload).era;
}
