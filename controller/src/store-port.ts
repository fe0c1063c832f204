import type { Instant } from "@fleetcert/shared";
import type { ApiKeyRecord, Budget, PlanRecord, PlanState, SpendingRecord } from "./approval-records.ts";
import type { ContactRecord, CourierContactRecord, ReportRecord } from "./contact-records.ts";
import type {
  AckRecord,
  AgeCounter,
  AnswerRecord,
  AttestationRecord,
  AuditRecord,
  CertificateRecord,
  ClaimRecord,
  ConnectivityClass,
  CrlRecord,
  DeviceIdentifier,
  DeviceRecord,
  EpochRecord,
  IntentRecord,
  OperatorRecord,
  OutboxRecord,
  QuoteRecord,
  RevocationRecord,
  SequenceRecord,
  ShardRecord,
} from "./records.ts";
import type {
  AwaitedProofRecord,
  DesiredDigestRecord,
  RolloutDeviceRecord,
  RolloutRecord,
  WishRecord,
} from "./rotation-records.ts";

/**
 * The controller's memory. One contract suite (test/contracts) runs over every implementation.
 *
 * `transaction` runs work alone (serialisable); what it wrote is durable when it resolves and gone when it throws.
 * Transactions queue up; one must not be started inside another. Throws `store-failed` for faults of the medium.
 */
export interface Store {
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** The tables, inside one transaction. Lookups return undefined when absent; `put` inserts or replaces by key. */
export interface Transaction {
  readonly devices: DeviceTable;
  readonly identifiers: IdentifierTable;
  readonly claims: ClaimTable;
  readonly attestations: AttestationTable;
  readonly quotes: QuoteTable;
  readonly certificates: CertificateTable;
  readonly intents: IntentTable;
  readonly shards: ShardTable;
  readonly revocations: RevocationTable;
  readonly epochs: EpochTable;
  readonly crls: CrlTable;
  readonly acks: AckTable;
  readonly answers: AnswerTable;
  readonly sequences: SequenceTable;
  readonly courierContacts: CourierContactTable;
  readonly contacts: ContactTable;
  readonly reports: ReportTable;
  readonly outbox: OutboxTable;
  readonly operators: OperatorTable;
  readonly apiKeys: ApiKeyTable;
  readonly plans: PlanTable;
  readonly spendings: SpendingTable;
  readonly audit: AuditTable;
  readonly ages: AgeTable;
  readonly settings: SettingTable;
  readonly wishes: WishTable;
  readonly awaitedProofs: AwaitedProofTable;
  readonly desiredDigests: DesiredDigestTable;
  readonly rollouts: RolloutTable;
  readonly rolloutDevices: RolloutDeviceTable;
}

/** A page in key order: at most `limit` rows whose key is greater than `after`. */
export interface Page {
  readonly after?: string;
  readonly limit: number;
}

/** A list without its octets. */
export type CrlGlance = Pick<CrlRecord, "shard" | "epoch" | "entryCount">;

/** How many devices there are of a connectivity class. */
export interface ClassCount {
  readonly connectivity: ConnectivityClass;
  readonly count: number;
}

/** One row a device. */
export interface DeviceTable {
  find(id: string): Promise<DeviceRecord | undefined>;
  put(device: DeviceRecord): Promise<void>;
  list(page: Page): Promise<DeviceRecord[]>;
  /** From counters kept with the rows, as {@link DeviceTable.countActive}: a scrape does not read the fleet. */
  countByState(): Promise<Record<DeviceRecord["state"], number>>;
  /** Active devices by class, in order of the class's name; classes nobody is in are left out. */
  countActive(): Promise<ClassCount[]>;
}

/** What devices are known by beside their id (I7). */
export interface IdentifierTable {
  /** Devices that have or had the identifier. */
  devicesOf(kind: DeviceIdentifier["kind"], value: string): Promise<string[]>;
  /** Adds once; the same row again changes nothing. */
  add(identifier: DeviceIdentifier): Promise<void>;
  listOf(device: string): Promise<DeviceIdentifier[]>;
}

/** One row a claim. */
export interface ClaimTable {
  find(id: string): Promise<ClaimRecord | undefined>;
  put(claim: ClaimRecord): Promise<void>;
  list(page: Page): Promise<ClaimRecord[]>;
}

/** One row for each device that has proven a TPM. */
export interface AttestationTable {
  find(device: string): Promise<AttestationRecord | undefined>;
  put(attestation: AttestationRecord): Promise<void>;
}

/** Questions for PCRs, and what became of them. */
export interface QuoteTable {
  find(device: string): Promise<QuoteRecord | undefined>;
  /** One row for each device: the last question. */
  put(quote: QuoteRecord): Promise<void>;
}

/** Every certificate this controller has issued. */
export interface CertificateTable {
  find(sha256: string): Promise<CertificateRecord | undefined>;
  findBySerial(issuer: string, serial: string): Promise<CertificateRecord | undefined>;
  /** Newest generation first; all slots when `slot` is absent. */
  listOf(device: string, slot?: string): Promise<CertificateRecord[]>;
  /** Keeps the age counters in step with the rows, in the same transaction. Unique in (issuer, serial) and (issuer, shard, index). */
  put(certificate: CertificateRecord): Promise<void>;
  /** In order of sha256. */
  list(page: Page): Promise<CertificateRecord[]>;
  /** All with this key, oldest first. */
  listByKey(spkiSha256: string): Promise<CertificateRecord[]>;
}

/** What was about to be signed (I2). */
export interface IntentTable {
  find(tbsSha256: string): Promise<IntentRecord | undefined>;
  put(intent: IntentRecord): Promise<void>;
  listOpen(): Promise<IntentRecord[]>;
}

/** Ranges of serials, by issuer. */
export interface ShardTable {
  find(issuer: string, shard: number): Promise<ShardRecord | undefined>;
  put(shard: ShardRecord): Promise<void>;
  listOf(issuer: string): Promise<ShardRecord[]>;
}

/** Serials that are revoked, held, or burnt. */
export interface RevocationTable {
  find(issuer: string, serial: string): Promise<RevocationRecord | undefined>;
  put(revocation: RevocationRecord): Promise<void>;
  /**
   * Hands over a page of a shard's rows in order of index, then serial. One object may serve for all of them: a million rows
   * are read so, and what is wanted of a row is taken at once. Resolves with where to go on, undefined after the last.
   */
  walk(page: RevocationPage, take: (row: RevocationRecord) => void): Promise<RevocationPlace | undefined>;
  /** Shards in which something has epoch 0, in order. */
  waitingShards(issuer: string): Promise<WaitingShard[]>;
  /** Gives this epoch to those of a shard that have epoch 0, up to a place in its order. */
  markPublished(shard: Pick<RevocationPage, "issuer" | "shard">, upTo: RevocationPlace, epoch: number): Promise<void>;
}

/** Which rows of a shard are walked over next. */
export interface RevocationPage {
  readonly issuer: string;
  readonly shard: number;
  /** Only those with epoch 0. */
  readonly isWaiting?: boolean;
  /** Behind this place; from the first row when absent. */
  readonly after?: RevocationPlace | undefined;
  readonly limit: number;
}

/** Where a row lies in the order of its shard. */
export type RevocationPlace = Pick<RevocationRecord, "index" | "serial">;

/** What waits in a shard for publication. */
export interface WaitingShard {
  readonly shard: number;
  readonly count: number;
}

/** Every publication of an issuer's revocation state. */
export interface EpochTable {
  latest(issuer: string): Promise<EpochRecord | undefined>;
  find(issuer: string, epoch: number): Promise<EpochRecord | undefined>;
  put(epoch: EpochRecord): Promise<void>;
  /** Forgets the issuer's epochs made before that time. */
  deleteMadeBefore(issuer: string, thisUpdate: Instant): Promise<void>;
}

/** The lists of every shard: the one that is served, and some before it. */
export interface CrlTable {
  latest(issuer: string, shard: number): Promise<CrlRecord | undefined>;
  put(crl: CrlRecord): Promise<void>;
  find(issuer: string, shard: number, epoch: number): Promise<CrlRecord | undefined>;
  /** What lists of a shard there are, newest first; the lists themselves, which may be long, are not read. */
  listOf(issuer: string, shard: number, limit: number): Promise<StoredList[]>;
  /** The newest list of each shard, in order of shard, without reading any: one may have megabytes. */
  glanceAt(issuer: string): Promise<CrlGlance[]>;
  /** Forgets the shard's lists of epochs below that one. */
  deleteBelow(issuer: string, shard: number, epoch: number): Promise<void>;
}

/** A list the store keeps. */
export interface StoredList {
  readonly epoch: number;
  /** Octets of its DER. */
  readonly length: number;
}

/** What devices have applied, by their signed word. */
export interface AckTable {
  find(device: string, issuer: string): Promise<AckRecord | undefined>;
  /** One row for each (device, issuer): the last word. */
  put(ack: AckRecord): Promise<void>;
  listOf(issuer: string): Promise<AckRecord[]>;
  /** Active devices by class whose last word is that epoch or a later one; from counters kept with the rows. */
  countApplied(issuer: string, epoch: number): Promise<ClassCount[]>;
  /** Active devices of a class whose last word is earlier, or that said none; those seen longest ago first. Reads the class. */
  listBehind(
    issuer: string,
    behind: { readonly epoch: number; readonly connectivity: ConnectivityClass; readonly limit: number },
  ): Promise<Pick<DeviceRecord, "id" | "lastSeenAt">[]>;
}

/** Answers that are given again when the same is asked (I4). */
export interface AnswerTable {
  find(device: string, messageId: string): Promise<AnswerRecord | undefined>;
  put(answer: AnswerRecord): Promise<void>;
  deleteExpired(now: Instant): Promise<void>;
}

/** The highest counter seen of each stream. */
export interface SequenceTable {
  find(device: string, generation: number, stream: SequenceRecord["stream"]): Promise<SequenceRecord | undefined>;
  put(sequence: SequenceRecord): Promise<void>;
}

/** The last bundle a courier brought of each device. */
export interface CourierContactTable {
  find(device: string): Promise<CourierContactRecord | undefined>;
  /** One row for each device: the last. */
  put(contact: CourierContactRecord): Promise<void>;
}

/** How often each device is in contact; one row a device. */
export interface ContactTable {
  find(device: string): Promise<ContactRecord | undefined>;
  put(contact: ContactRecord): Promise<void>;
}

/** The last report of each device. */
export interface ReportTable {
  find(device: string): Promise<ReportRecord | undefined>;
  put(report: ReportRecord): Promise<void>;
}

/** What is handed to the broker after the commit, in order. */
export interface OutboxTable {
  enqueue(message: Omit<OutboxRecord, "id">): Promise<void>;
  /** Oldest first. */
  list(limit: number): Promise<OutboxRecord[]>;
  /** The id of the newest that waits; 0 when none does. */
  last(): Promise<number>;
  /** How many wait, counted up to a limit. */
  count(limit: number): Promise<number>;
  /** Removes all up to and including the id. */
  removeThrough(id: number): Promise<void>;
}

/** Who may use the API. */
export interface OperatorTable {
  find(name: string): Promise<OperatorRecord | undefined>;
  findByCertificate(sha256: string): Promise<OperatorRecord | undefined>;
  put(operator: OperatorRecord): Promise<void>;
  list(page: Page): Promise<OperatorRecord[]>;
}

/** Keys that stand for operators. */
export interface ApiKeyTable {
  find(id: string): Promise<ApiKeyRecord | undefined>;
  put(key: ApiKeyRecord): Promise<void>;
  /** In order of id. */
  list(page: Page): Promise<ApiKeyRecord[]>;
}

/** Acts that wait, run or have ended. */
export interface PlanTable {
  find(hash: string): Promise<PlanRecord | undefined>;
  /** The one of the highest round. */
  latestOf(core: string): Promise<PlanRecord | undefined>;
  /** Unique in (core, round). */
  put(plan: PlanRecord): Promise<void>;
  /** Oldest request first. */
  listInState(state: PlanState, limit: number): Promise<PlanRecord[]>;
  /** Newest request first. */
  list(limit: number): Promise<PlanRecord[]>;
  /** Those whose hash begins so, at most `limit`. */
  listByPrefix(prefix: string, limit: number): Promise<PlanRecord[]>;
}

/** What persons have done alone (I14). */
export interface SpendingTable {
  add(spending: SpendingRecord): Promise<void>;
  /** Sum of the weights after an instant. */
  sumAfter(person: string, budget: Budget, at: Instant): Promise<number>;
  /** Forgets what is not after the instant. */
  deleteThrough(at: Instant): Promise<void>;
}

/** The hash chain (I9). */
export interface AuditTable {
  /** Appends as given; refuses a sequence that is not the last + 1. */
  append(record: AuditRecord): Promise<void>;
  last(): Promise<AuditRecord | undefined>;
  /** From a sequence on, in order. */
  list(from: number, limit: number): Promise<AuditRecord[]>;
}

/** How many certificates are in use, by when they began. */
export interface AgeTable {
  /** Counters of unexpired, unrevoked, unretired device certificates. Expired ones are taken out by `expire`. */
  list(): Promise<AgeCounter[]>;
  /** Takes certificates past their notAfter out of the counters; returns how many. */
  expire(now: Instant): Promise<number>;
}

/** Values by name that need no table of their own. */
export interface SettingTable {
  find(key: string): Promise<string | undefined>;
  put(key: string, value: string): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Rotations that are asked for. */
export interface WishTable {
  /** At most one for each (device, slot). */
  find(device: string, slot: string): Promise<WishRecord | undefined>;
  put(wish: WishRecord): Promise<void>;
  /** Removing what is not there changes nothing. */
  remove(device: string, slot: string): Promise<void>;
}

/** Certificates issued and not yet proven in use. */
export interface AwaitedProofTable {
  put(awaited: AwaitedProofRecord): Promise<void>;
  remove(sha256: string): Promise<void>;
  /** Oldest first: issued at or before the instant, noted ones left out. */
  listOverdue(issuedBefore: Instant, limit: number): Promise<AwaitedProofRecord[]>;
  /** In order of sha256: those noted already. */
  listNoted(page: Page): Promise<AwaitedProofRecord[]>;
}

/** What each device was last told, as a hash. */
export interface DesiredDigestTable {
  find(device: string): Promise<DesiredDigestRecord | undefined>;
  put(digest: DesiredDigestRecord): Promise<void>;
}

/** Rotations in waves. */
export interface RolloutTable {
  find(id: string): Promise<RolloutRecord | undefined>;
  put(rollout: RolloutRecord): Promise<void>;
  /** In order of id. */
  list(page: Page): Promise<RolloutRecord[]>;
}

/** Where each device of a rollout stands. */
export interface RolloutDeviceTable {
  put(device: RolloutDeviceRecord): Promise<void>;
  /** In order of the device's id; one wave only when it is named. */
  listOf(rollout: string, wave?: number): Promise<RolloutDeviceRecord[]>;
}
