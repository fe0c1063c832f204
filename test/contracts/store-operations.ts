import { FleetError } from "@fleetcert/shared";
import fc from "fast-check";
import type { Store, Transaction } from "../../controller/src/store-port.ts";
import {
  aCertificate,
  aClaim,
  aCrl,
  aDevice,
  anAck,
  anAnswer,
  anApiKey,
  anAttestation,
  anAttributes,
  anAuditEntry,
  anAwaitedProof,
  anEpoch,
  anIntent,
  anOperator,
  aPlan,
  aQuote,
  aRevocation,
  aRollout,
  aRolloutDevice,
  aShard,
  aWish,
} from "./store-records.ts";

/** One call of a table: its name, its method and what the method is given. */
export interface Operation {
  readonly table: keyof Transaction;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Operations of one transaction, and whether it ends by throwing. */
export interface Batch {
  readonly operations: readonly Operation[];
  readonly fails: boolean;
}

/** Runs a batch and resolves with what each operation gave: its result, or the code of its error. */
export async function runBatch(store: Store, { operations, fails }: Batch): Promise<unknown[]> {
  const results: unknown[] = [];
  await store
    .transaction(async (tx) => {
      for (const operation of operations) results.push(await runOperation(tx, operation));
      if (fails) throw new Error("the batch is to be undone");
    })
    .catch((error: Error) => results.push(error.message));
  return results;
}

async function runOperation(tx: Transaction, { table, method, args }: Operation): Promise<unknown> {
  const methods = tx[table] as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>;
  const called = methods[method];
  if (called === undefined) throw new Error(`table ${table} has no method ${method}`);
  try {
    if (method !== "walk") return await called(...args);
    const rows: unknown[] = [];
    // One object may serve for all rows.
    const next = await called(...args, (row: object) => rows.push({ ...row }));
    return { rows, next };
  } catch (error) {
    if (error instanceof FleetError) return { refused: error.code };
    throw error;
  }
}

const pick = <const T>(...values: readonly T[]) => fc.constantFrom(...values);
const device = pick("", "a", "a-1", "b");
const issuer = pick("issuer-1", "issuer-2");
const small = fc.integer({ min: 0, max: 3 });
const hours = fc.integer({ min: 0, max: 3 }).map((hour) => hour * 3_600_000);
/** Keys on both sides of the surrogates, where UTF-8 and UTF-16 order differently. */
const name = pick("a", "b", "\uffee", "\u{1f511}", "aa", "a\0");
const place = fc.record({ index: small, serial: name });
const page = fc.record({ after: name, limit: fc.integer({ min: -1, max: 4 }) });

const connectivity = pick("always", "daily", "rare");
const hashOf = pick("00", "0a", "0aff", "ff");
const planState = pick("open", "running", "done");
const budget = pick("revoke", "claim");

const certificate = fc
  .record({
    number: fc.integer({ min: 1, max: 6 }),
    device,
    issuer,
    index: small,
    slot: pick("identity", "web"),
    generation: small,
    profile: pick("device", "web"),
    spkiSha256: pick("k1", "k2"),
    state: pick("issued", "proven", "retired", "revoked", "abandoned"),
    issuedAt: hours,
    notAfter: hours,
  })
  .map(({ number, ...some }) => aCertificate(number, some));

const call = (table: keyof Transaction, method: string, ...args: readonly fc.Arbitrary<unknown>[]) =>
  fc.tuple(...args).map((values): Operation => ({ table, method, args: values }));

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: call("certificates", "put", certificate) },
  {
    weight: 4,
    arbitrary: call(
      "devices",
      "put",
      fc
        .record({
          id: device,
          site: pick("", "s1", "s2"),
          state: pick("active", "suspended", "retired"),
          connectivity,
          lastSeenAt: fc.option(small, { nil: undefined }),
        })
        .map(({ site, connectivity, ...rest }) =>
          aDevice({ ...rest, attributes: anAttributes({ site, connectivity }) }),
        ),
    ),
  },
  { weight: 3, arbitrary: call("ages", "expire", hours) },
  call("ages", "list"),
  call("devices", "list", page),
  call("devices", "countByState"),
  call("devices", "countActive"),
  call("certificates", "listOf", device),
  call("certificates", "listOf", device, pick("identity", "web")),
  call("certificates", "listByKey", pick("k1", "k2")),
  call("certificates", "list", page),
  call("certificates", "findBySerial", issuer, pick(aCertificate(1).serial, aCertificate(2).serial)),
  call("claims", "put", fc.record({ id: name, uses: small }).map(aClaim)),
  call("claims", "list", page),
  call("identifiers", "add", fc.record({ kind: pick("ek", "spki"), value: name, device })),
  call("identifiers", "devicesOf", pick("ek", "spki"), name),
  call("identifiers", "listOf", device),
  call("attestations", "put", fc.record({ device, endorsementKeySha256: name, certifiedAt: small }).map(anAttestation)),
  call("attestations", "find", device),
  call(
    "quotes",
    "put",
    fc.record({ device, reason: name, answeredAt: fc.option(small, { nil: undefined }) }).map(aQuote),
  ),
  call("quotes", "find", device),
  call("intents", "put", fc.record({ tbsSha256: name, state: pick("open", "issued"), openedAt: small }).map(anIntent)),
  call("intents", "listOpen"),
  call("shards", "put", fc.record({ issuer, shard: small, nextIndex: small }).map(aShard)),
  call("shards", "listOf", issuer),
  call(
    "revocations",
    "put",
    fc.record({ issuer, serial: name, shard: small, index: small, epoch: small }).map(aRevocation),
  ),
  call(
    "revocations",
    "walk",
    fc.record({
      issuer,
      shard: small,
      isWaiting: fc.boolean(),
      after: fc.option(place, { nil: undefined }),
      limit: fc.integer({ min: -1, max: 4 }),
    }),
  ),
  call("revocations", "waitingShards", issuer),
  call("revocations", "markPublished", fc.record({ issuer, shard: small }), place, small),
  call("epochs", "put", fc.record({ issuer, era: small, epoch: small, thisUpdate: small }).map(anEpoch)),
  call("epochs", "latest", issuer),
  call("epochs", "find", issuer, small),
  call("epochs", "deleteMadeBefore", issuer, small),
  call("crls", "put", fc.record({ issuer, shard: small, epoch: small, entryCount: small }).map(aCrl)),
  call("crls", "latest", issuer, small),
  call("crls", "glanceAt", issuer),
  call("crls", "find", issuer, small, small),
  call("crls", "listOf", issuer, small, small),
  call("crls", "deleteBelow", issuer, small, small),
  call("acks", "put", fc.record({ device, issuer, epoch: small }).map(anAck)),
  call("acks", "listOf", issuer),
  call("acks", "countApplied", issuer, small),
  call("acks", "listBehind", issuer, fc.record({ epoch: small, connectivity, limit: fc.integer({ min: -1, max: 3 }) })),
  call("answers", "put", fc.record({ device, messageId: name, expiresAt: small }).map(anAnswer)),
  call("answers", "find", device, name),
  call("answers", "deleteExpired", small),
  call("sequences", "put", fc.record({ device, generation: small, stream: pick("mqtt", "courier"), counter: small })),
  call("sequences", "find", device, small, pick("mqtt", "courier")),
  call("reports", "put", fc.record({ device, receivedAt: small, report: fc.string({ unit: "binary" }) })),
  call("reports", "find", device),
  call("outbox", "enqueue", fc.record({ topic: name, payload: fc.uint8Array({ maxLength: 4 }), retain: fc.boolean() })),
  call("outbox", "list", fc.integer({ min: -1, max: 3 })),
  call("outbox", "last"),
  call("outbox", "count", fc.integer({ min: -1, max: 3 })),
  call("outbox", "removeThrough", fc.integer({ min: 0, max: 12 })),
  call("operators", "put", fc.record({ name, certificateSha256: pick("", "c1", "c2") }).map(anOperator)),
  call("operators", "findByCertificate", pick("", "c1", "c2")),
  call("operators", "list", page),
  {
    weight: 2,
    arbitrary: call("audit", "append", fc.record({ sequence: fc.integer({ min: 0, max: 5 }) }).map(anAuditEntry)),
  },
  call("audit", "last"),
  call("audit", "list", fc.integer({ min: -1, max: 5 }), small),
  call("wishes", "put", fc.record({ device, slot: pick("identity", "web"), isUrgent: fc.boolean() }).map(aWish)),
  call("wishes", "find", device, pick("identity", "web")),
  call("wishes", "remove", device, pick("identity", "web")),
  call(
    "awaitedProofs",
    "put",
    fc.record({ sha256: name, issuedAt: small, notedAt: fc.option(small, { nil: undefined }) }).map(anAwaitedProof),
  ),
  call("awaitedProofs", "remove", name),
  call("awaitedProofs", "listOverdue", small, fc.integer({ min: -1, max: 3 })),
  call("awaitedProofs", "listNoted", page),
  call("desiredDigests", "put", fc.record({ device, sha256: name })),
  call("desiredDigests", "find", device),
  call(
    "rollouts",
    "put",
    fc.record({ id: name, wave: small, endedAt: fc.option(small, { nil: undefined }) }).map(aRollout),
  ),
  call("rollouts", "find", name),
  call("rollouts", "list", page),
  call("rolloutDevices", "put", fc.record({ rollout: name, device, wave: small }).map(aRolloutDevice)),
  call("rolloutDevices", "listOf", name),
  call("rolloutDevices", "listOf", name, small),
  call("apiKeys", "put", fc.record({ id: name, revokedAt: fc.option(small, { nil: undefined }) }).map(anApiKey)),
  call("apiKeys", "find", name),
  call("apiKeys", "list", page),
  {
    weight: 3,
    arbitrary: call(
      "plans",
      "put",
      fc
        .record({
          hash: hashOf,
          core: pick("c1", "c2"),
          round: small,
          state: planState,
          requestedAt: small,
          done: small,
        })
        .map(aPlan),
    ),
  },
  call("plans", "find", hashOf),
  call("plans", "latestOf", pick("c1", "c2")),
  call("plans", "listInState", planState, fc.integer({ min: -1, max: 3 })),
  call("plans", "list", fc.integer({ min: -1, max: 3 })),
  call("plans", "listByPrefix", pick("0", "00", "0a", "f", "0aff"), fc.integer({ min: -1, max: 3 })),
  call("spendings", "add", fc.record({ person: name, budget, at: small, weight: small })),
  call("spendings", "sumAfter", name, budget, small),
  call("spendings", "deleteThrough", small),
  call("settings", "put", name, fc.string({ unit: "binary" })),
  call("settings", "find", name),
  call("settings", "delete", name),
);

/** Sequences of transactions over few keys, so that they meet each other. */
export const batches: fc.Arbitrary<Batch[]> = fc.array(
  fc.record({ operations: fc.array(operation, { maxLength: 12 }), fails: fc.nat(3).map((number) => number === 0) }),
  { minLength: 1, maxLength: 8 },
);
