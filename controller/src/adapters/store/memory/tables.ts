import type { ApiKeyRecord, PlanRecord, SpendingRecord } from "../../../approval-records.ts";
import type { ContactRecord, CourierContactRecord, ReportRecord } from "../../../contact-records.ts";
import type {
  AckRecord,
  AgeCounter,
  AnswerRecord,
  AttestationRecord,
  AuditRecord,
  CertificateRecord,
  ClaimRecord,
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
} from "../../../records.ts";
import type {
  AwaitedProofRecord,
  DesiredDigestRecord,
  RolloutDeviceRecord,
  RolloutRecord,
  WishRecord,
} from "../../../rotation-records.ts";
import { type IndexDefinition, MemoryTable, type UndoLog } from "./memory-table.ts";
import { compositeKey, orderBy } from "./order.ts";

/** All rows of the memory store, in the keys and orders of the store port. */
export type MemoryTables = ReturnType<typeof memoryTables>;

/** Empty tables whose writes go to the undo log. */
export function memoryTables(undo: UndoLog) {
  const table = <Row extends object>(name: string, ...fields: readonly (keyof Row & string)[]) => {
    const key = keyOf(fields);
    return <Index extends string>(indexes: Readonly<Record<Index, IndexDefinition<Row>>>) =>
      new MemoryTable<Row, Index>(undo, { name, key, indexes });
  };
  return {
    devices: table<DeviceRecord>("devices", "id")({ all: all("id"), state: by(["state"], "id") }),
    identifiers: table<DeviceIdentifier>(
      "identifiers",
      "kind",
      "value",
      "device",
    )({
      value: by(["kind", "value"], "device"),
      device: by(["device"], "kind", "value"),
    }),
    claims: table<ClaimRecord>("claims", "id")({ all: all("id") }),
    attestations: table<AttestationRecord>("attestations", "device")({}),
    quotes: table<QuoteRecord>("quotes", "device")({}),
    certificates: table<CertificateRecord>(
      "certificates",
      "sha256",
    )({
      all: all("sha256"),
      serial: { ...by(["issuer", "serial"], "sha256"), isUnique: true },
      index: { ...by(["issuer", "shard", "index"], "sha256"), isUnique: true },
      device: by<CertificateRecord>(["device"], "-generation", "slot", "-issuedAt", "sha256"),
      key: by(["spkiSha256"], "issuedAt", "sha256"),
    }),
    intents: table<IntentRecord>("intents", "tbsSha256")({ state: by(["state"], "openedAt", "tbsSha256") }),
    shards: table<ShardRecord>("shards", "issuer", "shard")({ issuer: by(["issuer"], "shard") }),
    revocations: table<RevocationRecord>(
      "revocations",
      "issuer",
      "serial",
    )({
      shard: by(["issuer", "shard"], "index", "serial"),
      epoch: by(["issuer", "epoch"], "shard", "index", "serial"),
    }),
    epochs: table<EpochRecord>(
      "epochs",
      "issuer",
      "era",
      "epoch",
    )({
      issuer: by<EpochRecord>(["issuer"], "-era", "-epoch"),
      epoch: by<EpochRecord>(["issuer", "epoch"], "-era"),
    }),
    crls: table<CrlRecord>("crls", "issuer", "shard", "epoch")({ shard: by<CrlRecord>(["issuer", "shard"], "-epoch") }),
    acks: table<AckRecord>("acks", "issuer", "device")({ issuer: by(["issuer"], "device") }),
    answers: table<AnswerRecord>("answers", "device", "messageId")({ all: all("expiresAt", "device", "messageId") }),
    sequences: table<SequenceRecord>("sequences", "device", "generation", "stream")({}),
    courierContacts: table<CourierContactRecord>("courierContacts", "device")({}),
    contacts: table<ContactRecord>("contacts", "device")({}),
    reports: table<ReportRecord>("reports", "device")({}),
    outbox: table<OutboxRecord>("outbox", "id")({ all: all("id") }),
    operators: table<OperatorRecord>(
      "operators",
      "name",
    )({
      all: all("name"),
      certificate: {
        group: ({ certificateSha256 }) => certificateSha256 || undefined,
        order: orderBy<OperatorRecord>("name"),
        isUnique: true,
      },
    }),
    apiKeys: table<ApiKeyRecord>("apiKeys", "id")({ all: all("id") }),
    plans: table<PlanRecord>(
      "plans",
      "hash",
    )({
      all: all("hash"),
      recent: { group: () => "", order: orderBy<PlanRecord>("-requestedAt", "-hash") },
      state: by(["state"], "requestedAt", "hash"),
      core: by<PlanRecord>(["core"], "-round"),
      round: { ...by(["core", "round"], "hash"), isUnique: true },
    }),
    spendings: table<SpendingRecord & { readonly id: number }>(
      "spendings",
      "id",
    )({
      all: all("at", "id"),
      person: by(["person", "budget"], "at", "id"),
    }),
    audit: table<AuditRecord>("audit", "sequence")({ all: all("sequence") }),
    ages: table<AgeCounter>(
      "ages",
      "hour",
      "site",
      "profile",
      "issuer",
    )({ all: all("hour", "site", "profile", "issuer") }),
    settings: table<Setting>("settings", "key")({}),
    wishes: table<WishRecord>("wishes", "device", "slot")({}),
    awaitedProofs: table<AwaitedProofRecord>(
      "awaited_proofs",
      "sha256",
    )({
      waiting: {
        group: ({ notedAt }) => (notedAt === undefined ? "" : undefined),
        order: orderBy<AwaitedProofRecord>("issuedAt", "sha256"),
      },
      noted: {
        group: ({ notedAt }) => (notedAt === undefined ? undefined : ""),
        order: orderBy<AwaitedProofRecord>("sha256"),
      },
    }),
    desiredDigests: table<DesiredDigestRecord>("desired_digests", "device")({}),
    rollouts: table<RolloutRecord>("rollouts", "id")({ all: all("id") }),
    rolloutDevices: table<RolloutDeviceRecord>(
      "rollout_devices",
      "rollout",
      "device",
    )({ rollout: by(["rollout"], "device") }),
    /** Single numbers that are no setting: the last outbox id, the time of the last `expire`. */
    marks: table<Mark>("marks", "name")({}),
  };
}

interface Setting {
  readonly key: string;
  readonly value: string;
}

interface Mark {
  readonly name: "outboxId" | "spendingId" | "expiredBefore";
  readonly value: number;
}

function keyOf<Row>(fields: readonly (keyof Row & string)[]): (row: Row) => string {
  const [first] = fields;
  if (fields.length === 1 && first !== undefined) return (row) => String(row[first]);
  return (row) => compositeKey(...fields.map((field) => row[field] as string | number));
}

function by<Row>(
  group: readonly (keyof Row & string)[],
  ...order: readonly ((keyof Row & string) | `-${keyof Row & string}`)[]
): IndexDefinition<Row> {
  return { group: keyOf(group), order: orderBy<Row>(...order) };
}

function all<Row>(...order: readonly (keyof Row & string)[]): IndexDefinition<Row> {
  return { group: () => "", order: orderBy<Row>(...order) };
}
