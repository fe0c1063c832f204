import type { CourierPart } from "@fleetcert/proto";
import type { Duration, Instant } from "@fleetcert/shared";
import type { Inventory } from "../inventory/inventory.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type {
  Broker,
  CertificateAuthority,
  CounterAnchor,
  ListArchive,
  MessageHandlers,
  MessageSealer,
  Surroundings,
} from "../ports.ts";
import type { CertificateRecord, CrlRecord, EpochRecord } from "../records.ts";
import type { Store } from "../store-port.ts";
import { Turns } from "../turns.ts";
import { acceptAck } from "./accept-ack.ts";
import { carriedEpoch } from "./carried-epoch.ts";
import { compareLists, type ListDifference } from "./compare-lists.ts";
import { planRevocation } from "./plan-revocation.ts";
import { findPropagation, type Propagation } from "./propagation.ts";
import {
  announceEpoch,
  isPublicationDue,
  mergeOptions,
  type PublicationOptions,
  publishEpoch,
} from "./publish-epoch.ts";
import { recoverRevocations } from "./recover-revocations.ts";
import { type RevocationOutcome, retireRevoking, revoke } from "./revoke.ts";

/** What revocation works with. */
export interface RevocationParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  readonly anchor: CounterAnchor;
  readonly archive: ListArchive;
  readonly authority: CertificateAuthority;
  readonly issuance: Issuance;
  readonly inventory: Inventory;
  readonly sealer: MessageSealer;
  readonly broker: Pick<Broker, "dropSessions">;
  /** Resolves when what the outbox held at the call has left, or could not. */
  readonly flush: () => Promise<void>;
  readonly settings: RevocationSettings;
}

/** Times and bounds of revocation; see config.ts. */
export interface RevocationSettings {
  /** Life of a CRL. */
  readonly crlNextUpdate: Duration;
  /** Life of a head: how long an agent takes the state as fresh. */
  readonly headNextUpdate: Duration;
  /** Age at which CRLs are made again without a change. */
  readonly crlRefresh: Duration;
  /** How long after notAfter an entry stays: renewal after expiry and clocks that are behind. */
  readonly keepAfterExpiry: Duration;
  /** Whether a delta (RFC 5280 §5.2.4) is signed beside every list. */
  readonly deltaLists: boolean;
  /** Devices and certificates one person may revoke within 24 hours. */
  readonly revokeAlone: number;
}

/** What is to be revoked: a device with all its certificates, or one certificate. */
export interface RevocationSelection {
  readonly device?: string;
  /** Hex. */
  readonly serial?: string;
  /** A reason code of RFC 5280 §5.3.1. */
  readonly reason: string;
}

/** What a revocation would do; nothing is changed by asking. */
export interface RevocationPlan {
  readonly devices: readonly string[];
  readonly certificates: readonly CertificateRecord[];
  readonly sites: readonly string[];
  readonly owners: readonly string[];
  /** Devices of the plan without a live session. */
  readonly offline: number;
  /** Whether the devices are blocked until a person re-approves them (I7). */
  readonly suspends: boolean;
  /** Whether it is above what one person may do alone within 24 hours. */
  readonly aboveBound: boolean;
}

/** Taking certificates away, publishing that, and knowing who has applied it. */
export interface Revocation {
  /** SHA-256 of the issuer's SPKI, lower-case hex. */
  readonly issuer: string;
  /** Throws `not-found`, `request-invalid`. */
  plan(actor: string, selection: RevocationSelection): Promise<RevocationPlan>;
  /** Revokes, publishes an epoch and drops live sessions. Throws `second-person-required`, and what `plan` throws. */
  revoke(actor: string, selection: RevocationSelection): Promise<RevocationOutcome>;
  /** Retires the device and revokes all it has. */
  retire(actor: string, device: string): Promise<RevocationOutcome>;
  /** Takes back from the archived lists what an older database has forgotten; resolves with how many. */
  recover(): Promise<number>;
  /** Publishes the next epoch; publications follow each other. */
  publish(options?: PublicationOptions): Promise<EpochRecord>;
  /**
   * Publishes when something has waited for a while (at a start: at all), a list or head grows old, or more indices must
   * be covered.
   */
  publishIfDue(options?: { readonly isStarting: boolean }): Promise<EpochRecord | undefined>;
  /** Puts the present epoch on the broker again; brokers may forget. */
  announce(): Promise<void>;
  /** The present epoch for a device that only a courier reaches, with the lists where it wants them. */
  carried(options: { readonly withLists: boolean }): Promise<CourierPart[]>;
  /** How far an epoch that revoked something has come; the newest when none is given. Throws `not-found`. */
  propagation(epoch?: number): Promise<Propagation>;
  /** What the lists of two epochs differ in. Throws `not-found` when the lists of one are not kept any more. */
  diff(from: number, to: number): Promise<ListDifference>;
  /** The list of a shard that is served now. */
  crlOf(issuer: string, shard: number): Promise<CrlRecord | undefined>;
  /** When the head in force ends; undefined before the first publication. */
  headNextUpdate(): Promise<Instant | undefined>;
  readonly handlers: MessageHandlers;
}

/** Opens revocation for one issuer. */
export function openRevocation(parts: RevocationParts): Revocation {
  const turns = new Turns({ maxWaiting: 256 });
  const issuer = parts.authority.id;
  /** A publication that has not begun serves everybody who asks meanwhile: what they revoked is stored already. */
  let next: { options: PublicationOptions; readonly published: Promise<EpochRecord> } | undefined;
  const publish = (options: PublicationOptions = { refreshAll: false }): Promise<EpochRecord> => {
    if (next !== undefined) {
      next.options = mergeOptions(next.options, options);
      return next.published;
    }
    const published = turns.take("publish", async () => {
      const wanted = next?.options ?? options;
      next = undefined;
      return await publishEpoch(parts, wanted);
    });
    next = { options, published };
    // One that could not even queue up must not be waited for by the next.
    published.catch(() => {
      if (next?.published === published) next = undefined;
    });
    return published;
  };
  const revocation: Revocation = {
    issuer,
    plan: (actor, selection) => parts.store.transaction((tx) => planRevocation(parts, tx, { actor, selection })),
    revoke: (actor, selection) => revoke({ ...parts, publish }, { actor, selection }),
    retire: (actor, device) => retireRevoking({ ...parts, publish }, { actor, device }),
    recover: () => recoverRevocations(parts),
    publish,
    async publishIfDue(options = { isStarting: false }) {
      return await turns.take("publish", async () => {
        const due = await isPublicationDue(parts, options);
        return due === undefined ? undefined : await publishEpoch(parts, due);
      });
    },
    announce: () => announceEpoch(parts),
    carried: (options) => carriedEpoch(parts, options),
    propagation: (epoch) => parts.store.transaction((tx) => findPropagation(tx, { issuer, epoch })),
    diff: (from, to) => parts.store.transaction((tx) => compareLists(tx, { issuer, from, to })),
    crlOf: (ofIssuer, shard) => parts.store.transaction((tx) => tx.crls.latest(ofIssuer, shard)),
    async headNextUpdate() {
      return (await parts.store.transaction((tx) => tx.epochs.latest(issuer)))?.nextUpdate;
    },
    handlers: { ack: (received, reply) => acceptAck(parts, received, reply) },
  };
  return revocation;
}
