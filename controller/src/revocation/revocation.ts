import type { CourierPart } from "@fleetcert/proto";
import type { Duration, Instant } from "@fleetcert/shared";
import type { Approval, Carried, Json, PlanKind } from "../approval/approval.ts";
import type { PlanRecord } from "../approval-records.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type {
  Broker,
  CertificateAuthority,
  CounterAnchor,
  ListArchive,
  ListPatcher,
  MessageHandlers,
  MessageSealer,
  Surroundings,
} from "../ports.ts";
import type { CrlRecord, EpochRecord } from "../records.ts";
import type { Store, Transaction } from "../store-port.ts";
import { acceptAck } from "./accept-ack.ts";
import { carriedEpoch } from "./carried-epoch.ts";
import { compareLists, type ListDifference } from "./compare-lists.ts";
import { endIssued, endRemaining } from "./end-issued.ts";
import { findPropagation, findReach, type Propagation, type Reach } from "./find-propagation.ts";
import { openLane, type PublicationLane } from "./publication-lane.ts";
import { announceEpoch, type PublicationOptions } from "./publish-epoch.ts";
import { recoverRevocations } from "./recover-revocations.ts";
import { type RevocationDetail, retireKind, revokeKind } from "./revoke-kind.ts";
import type { Selection } from "./selection.ts";
import type { SnapshotMaker } from "./shard-snapshots.ts";
import { type Reinstatement, reinstateKind, suspendKind } from "./suspend-kinds.ts";
import { endOwn } from "./take-away.ts";

/** What revocation works with. */
export interface RevocationParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  readonly anchor: CounterAnchor;
  readonly archive: ListArchive;
  readonly patcher: ListPatcher;
  readonly snapshots: SnapshotMaker;
  /** Every issuer whose certificates can be revoked, the one that issues now first. */
  readonly knownIssuers: () => readonly string[];
  readonly inventory: Inventory;
  readonly sealer: MessageSealer;
  readonly broker: Pick<Broker, "dropSessions">;
  /** Resolves when what the outbox held at the call has left, or could not. */
  readonly flush: () => Promise<void>;
  readonly settings: RevocationSettings;
  readonly approval: Approval;
  /** Brokers and servers beside ours that read the fleet's lists; undefined where there are none. */
  readonly followers: () => ListFollowers | undefined;
  /** Ids of the devices that a filter expression matches. Throws `filter-invalid`. */
  readonly devicesBy: (tx: Transaction, filter: string) => Promise<readonly string[]>;
}

/**
 * Those who take the fleet's certificates and follow its lists. Neither call throws: what they could not do they tell a
 * person, and try again by themselves.
 */
export interface ListFollowers {
  /** Whether the broker that devices connect to is among them. */
  readonly takesDevices: boolean;
  /** Before an epoch is published: lets its lists name something by which it can be seen whether they are in force. */
  beforePublish(): Promise<void>;
  /** After it: resolves when the lists are in force, or could not be, and the sessions of the devices were ended. */
  afterPublish(devices: readonly string[]): Promise<void>;
}

/** An issuing CA and what signs its lists. */
export interface RevocationIssuer {
  readonly authority: CertificateAuthority;
  readonly issuance: Issuance;
}

/** What the publications of one issuer work with. */
export type IssuerParts = RevocationParts & RevocationIssuer;

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
}

/** What is to be revoked, and why. */
export interface RevocationSelection extends Selection {
  /** A reason code of RFC 5280 §5.3.1; `certificateHold` for a suspension that can be undone. */
  readonly reason: string;
  /** Since when the key may have been another's, where that is known. */
  readonly invalidityDate?: Instant | undefined;
}

/** What a revocation would do; nothing is changed by asking. */
export interface RevocationPlan extends RevocationDetail {
  /** What a second person approves where one is needed. */
  readonly hash: string;
  /** Whether it is above what the person may do alone within 24 hours. */
  readonly aboveBound: boolean;
}

/** What a revocation did. */
export interface RevocationOutcome {
  /** The plan as it stands: staged ones go on after this. */
  readonly record: PlanRecord;
  readonly plan: RevocationPlan;
  /** The epoch that published it. */
  readonly epoch: number;
  readonly droppedSessions: number;
  /** Milliseconds from the request until the broker refused and had dropped the sessions. */
  readonly blockedAtBroker: number;
}

/** Taking certificates away, publishing that, and knowing who has applied it. */
export interface Revocation {
  /** SHA-256 of the issuer's SPKI, lower-case hex. */
  readonly issuer: string;
  /** Throws `not-found`, `request-invalid`, `filter-invalid`, `conflict` when nothing is left to revoke. */
  plan(actor: string, selection: RevocationSelection, options?: Staging): Promise<RevocationPlan>;
  /** Revokes, drops live sessions and publishes an epoch. Throws `second-person-required`, and what `plan` throws. */
  revoke(actor: string, selection: RevocationSelection, options?: Staging): Promise<RevocationOutcome>;
  /** Retires the device and revokes all it has. */
  retire(actor: string, device: string): Promise<RevocationOutcome>;
  /** No session and no certificate by any way until a person reinstates it (I7); its certificates stay as they are. */
  suspend(actor: string, device: string, reason: string): Promise<void>;
  /**
   * Ends every certificate of an issuing CA that the root has revoked, and drops the sessions under them. The root's list says
   * so to everybody else; lists of that issuer are worth nothing any more. Resolves with how many.
   */
  endIssued(actor: string, issuer: string): Promise<number>;
  /** Goes on with what a crash kept {@link Revocation.endIssued} from. */
  endRemaining(distrusted: readonly string[]): Promise<void>;
  /** Ends a certificate of the controller itself, in the caller's transaction. Throws `not-found`. */
  endOwn(tx: Transaction, sha256: string): Promise<void>;
  /** Lets suspended devices and held certificates come back. Throws `conflict`, `second-person-required`. */
  reinstate(actor: string, request: Reinstatement): Promise<PlanRecord>;
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
  /** The newest one, in the caller's transaction. Throws `not-found`. */
  reachIn(tx: Transaction): Promise<Reach>;
  /** What the lists of two epochs differ in. Throws `not-found` when the lists of one are not kept any more. */
  diff(from: number, to: number): Promise<ListDifference>;
  /** The list of a shard that is served now. */
  crlOf(issuer: string, shard: number): Promise<CrlRecord | undefined>;
  /** When the head in force ends; undefined before the first publication. */
  headNextUpdate(): Promise<Instant | undefined>;
  readonly handlers: MessageHandlers;
  /** What approval lets this duty carry out. */
  readonly planKinds: readonly PlanKind[];
}

/** How fast a large set is worked off: items per minute, all at once when absent. */
export interface Staging {
  readonly rate?: number | undefined;
}

/** Opens revocation for every issuer whose certificates may still be in use; the first one issues now. */
export function openRevocation(
  parts: Omit<RevocationParts, "knownIssuers"> & {
    readonly issuers: () => readonly RevocationIssuer[];
  },
): Revocation {
  const { approval } = parts;
  const knownIssuers = (): string[] => parts.issuers().map(({ authority }) => authority.id);
  const opened = new Map<string, PublicationLane>();
  const lanes = (): PublicationLane[] =>
    parts.issuers().map(({ authority, issuance }) => {
      const lane = opened.get(authority.id) ?? openLane({ ...parts, authority, issuance, knownIssuers });
      opened.set(authority.id, lane);
      return lane;
    });
  const issuing = (): PublicationLane => lanes()[0] as PublicationLane;
  /** What was revoked may be of several issuers: each publishes; the answer is about the one that issues, if it is among them. */
  const publish = async (options?: PublicationOptions): Promise<EpochRecord> => {
    const waiting: PublicationLane[] = [];
    for (const lane of lanes()) {
      const { id } = lane.parts.authority;
      if ((await parts.store.transaction((tx) => tx.revocations.waitingShards(id))).length > 0) waiting.push(lane);
    }
    const records = await Promise.all(
      (waiting.length === 0 ? [issuing()] : waiting).map((lane) => lane.publish(options)),
    );
    return records[0] as EpochRecord;
  };
  const kinds = [revokeKind, retireKind, suspendKind, reinstateKind];
  const revocation: Revocation = {
    get issuer() {
      return issuing().parts.authority.id;
    },
    async plan(actor, selection, { rate } = {}) {
      const asked = { actor, kind: "revoke", request: asJson(selection), rate };
      const { plan, isAboveBound, detail } = await approval.preview(asked);
      return { ...(detail as RevocationDetail), hash: plan.hash, aboveBound: isAboveBound };
    },
    async revoke(actor, selection, { rate } = {}) {
      return outcomeOf(await approval.submit({ actor, kind: "revoke", request: asJson(selection), rate }));
    },
    async retire(actor, device) {
      return outcomeOf(await approval.submit({ actor, kind: "retire", request: { device } }));
    },
    async suspend(actor, device, reason) {
      await approval.submit({ actor, kind: "suspend", request: { device, reason } });
    },
    endIssued: (actor, ofIssuer) => endIssued(parts, { actor, issuer: ofIssuer }),
    endRemaining: (distrusted) => endRemaining(parts, distrusted),
    endOwn: (tx, sha256) => endOwn({ ...parts, knownIssuers }, tx, sha256),
    async reinstate(actor, request) {
      return (await approval.submit({ actor, kind: "reinstate", request: asJson(request) })).plan;
    },
    async recover() {
      let recovered = 0;
      for (const lane of lanes()) recovered += await recoverRevocations(lane.parts);
      return recovered;
    },
    publish,
    async publishIfDue(options = { isStarting: false }) {
      const published: (EpochRecord | undefined)[] = [];
      for (const lane of lanes()) published.push(await lane.publishIfDue(options));
      return published.find((one) => one !== undefined);
    },
    async announce() {
      for (const lane of lanes()) await announceEpoch(lane.parts);
    },
    async carried(options) {
      const carried: CourierPart[] = [];
      for (const lane of lanes()) carried.push(...(await carriedEpoch(lane.parts, options)));
      return carried;
    },
    propagation: (epoch) => parts.store.transaction((tx) => findPropagation(tx, { issuers: knownIssuers(), epoch })),
    diff: (from, to) => parts.store.transaction((tx) => compareLists(tx, { issuer: revocation.issuer, from, to })),
    reachIn: (tx) => findReach(tx, { issuers: knownIssuers(), epoch: undefined }),
    crlOf: (ofIssuer, shard) => parts.store.transaction((tx) => tx.crls.latest(ofIssuer, shard)),
    async headNextUpdate() {
      return (await parts.store.transaction((tx) => tx.epochs.latest(revocation.issuer)))?.nextUpdate;
    },
    handlers: { ack: (received, reply) => acceptAck(parts, received, reply) },
    planKinds: kinds.map((kind) => kind({ ...parts, knownIssuers, publish })),
  };
  return revocation;
}

function outcomeOf({ plan, effect, detail }: Carried): RevocationOutcome {
  const { epoch = 0, droppedSessions, blockedAtBroker } = effect;
  const told = { ...(detail as RevocationDetail), hash: plan.hash, aboveBound: false };
  return { record: plan, plan: told, epoch, droppedSessions, blockedAtBroker };
}

/** Without what is undefined, as JSON is. */
const asJson = (value: object): Json => JSON.parse(JSON.stringify(value)) as Json;
