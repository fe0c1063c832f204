import { encodeMessage, formatTopic, type HeadShard, payloadTypes, signEnvelope, type Topic } from "@fleetcert/proto";
import { assembleSigned, encodeTbsCrl, Serial, sha256, sha256Hex } from "@fleetcert/shared";
import { zstdListPatches } from "../../controller/src/adapters/compression/zstd-list-patches.ts";
import type { CrlRecord } from "../../controller/src/records.ts";
import { nextSnapshots, type ShardSnapshots, snapshotInHead } from "../../controller/src/revocation/shard-snapshots.ts";
import { testSigner } from "../support/keys/test-signer.ts";
import { crlTemplate } from "./crl-fixture.ts";
import type { Row } from "./run.ts";
import { fixedRandom } from "./snapshot-fixture.ts";

/**
 * MQTT octets that a day of revocations costs each connected device, both ways: a million certificates in four shards, 1 % of
 * them revoked, 100 more in the course of the day, each an epoch of its own, and a fresh head every half hour. Against one
 * download of the lists a day, which is what software without us does.
 */
export async function bench(): Promise<Row[]> {
  const fleet = new Fleet();
  await fleet.publish();
  const start = fleet.listBytes;
  for (let epoch = 0; epoch < epochsOfDay; epoch++) {
    if (epoch < revocations) fleet.revokeOne();
    await fleet.publish();
  }
  const { heads, snapshots, lists, acks } = fleet.traffic;
  const of = "the DER lists once a day";
  const perDay = heads + snapshots + acks;
  const row = (what: string, value: number): Row => ({
    name: `revocation-traffic${what}`,
    value,
    unit: "bytes/device/day",
  });
  return [
    { ...row("", perDay), ratio: perDay / start, of },
    row(", heads", heads),
    row(", deltas and snapshots", snapshots),
    row(", acks and their answers", acks),
    row(" more where lists are kept, by patches", lists),
  ];
}

/** A controller's publications, and what of them passes through one device's session. */
class Fleet {
  readonly traffic = { heads: 0, snapshots: 0, lists: 0, acks: 0 };
  readonly #revoked = Array.from({ length: shardCount }, () => new Set<number>());
  readonly #shards: { list: CrlRecord; snapshots: ShardSnapshots; patchFrom: readonly number[] }[] = [];
  readonly #random = fixedRandom(0x7f4a_7c15);
  readonly #heads = testSigner("P-256");
  readonly #device = testSigner("P-256");
  #epoch = 0;
  #changed = new Set(Array.from({ length: shardCount }, (_, shard) => shard));

  constructor() {
    for (const revoked of this.#revoked) {
      while (revoked.size < perShard / 100) revoked.add(Math.floor(this.#random.next().value * perShard));
    }
  }

  get listBytes(): number {
    return this.#shards.reduce((sum, { list }) => sum + list.der.length, 0);
  }

  revokeOne(): void {
    const shard = Math.floor(this.#random.next().value * shardCount);
    const revoked = this.#revoked[shard] as Set<number>;
    for (const { size } = revoked; revoked.size === size; ) {
      revoked.add(Math.floor(this.#random.next().value * perShard));
    }
    this.#changed.add(shard);
  }

  /** Counts nothing for the first: a device that was there the day before holds it. */
  async publish(): Promise<void> {
    this.#epoch += 1;
    const isFirst = this.#epoch === 1;
    for (const shard of this.#changed) await this.#publishShard(shard, isFirst);
    this.#changed = new Set();
    if (isFirst) return;
    const envelope = await this.#sealed("head", this.#heads, {
      type: "head",
      ...{ issuer, era: 1, epoch: this.#epoch, thisUpdate: now, nextUpdate: now + 3_600_000 },
      shards: this.#shards.map(({ list, snapshots, patchFrom }, shard) =>
        headRow(list, snapshots, { shard, patchFrom }),
      ),
    });
    this.traffic.heads += published({ type: "head", issuer }, envelope.length);
    const ack = {
      type: "ack" as const,
      issuer,
      era: 1,
      epoch: this.#epoch,
      headSha256: sha256(envelope),
      appliedAt: now,
    };
    const said = await this.#sealed("ack", this.#device, { ...ack, via: "mqtt" });
    const heard = await this.#sealed("received", this.#heads, { type: "received" });
    this.traffic.acks += published({ type: "up", device, kind: "ack" }, said.length);
    this.traffic.acks += published({ type: "down", device, kind: "received" }, heard.length);
  }

  async #publishShard(shard: number, isFirst: boolean): Promise<void> {
    const before = this.#shards[shard];
    const list = listOf(
      [...(this.#revoked[shard] as Set<number>)].sort((a, b) => a - b),
      shard,
      this.#epoch,
    );
    const row = { issuer, shard, notAfterFrom: 0, notAfterTo: 1, nextIndex: 0, coveredTo: perShard };
    const snapshots = nextSnapshots(before?.snapshots.kept ?? [], { shard: row, list, epoch: this.#epoch });
    const patch = before && (await zstdListPatches.make(before.list.der, list.der));
    this.#shards[shard] = { list, snapshots, patchFrom: before ? [before.list.epoch] : [] };
    if (isFirst || before === undefined || patch === undefined) return;
    const [from, to] = [before.snapshots.kept[0].epoch, snapshots.kept[0].epoch];
    const delta = snapshots.fresh?.deltas.get(from);
    if (delta === undefined) throw new Error("a revocation without a delta");
    this.traffic.snapshots += fetched({ type: "delta", issuer, shard, from, to }, delta.length);
    const step: Topic = { type: "crl-patch", issuer, shard, from: before.list.epoch, to: list.epoch };
    this.traffic.lists += fetched(step, patch.length);
  }

  async #sealed(
    kind: string,
    signer: ReturnType<typeof testSigner>,
    body: Parameters<typeof encodeMessage>[0]["body"],
  ) {
    const isUp = kind === "ack";
    const payload = encodeMessage({
      fleet: "plant-7",
      direction: isUp ? "device-to-controller" : kind === "head" ? "controller-to-fleet" : "controller-to-device",
      sender: isUp ? device : "controller",
      recipient: isUp ? "controller" : kind === "head" ? "fleet" : device,
      messageId: String(this.#epoch).padStart(32, "0"),
      inReplyTo: kind === "received" ? "1".repeat(32) : undefined,
      sentAt: now,
      expiresAt: now + 300_000,
      sequence: isUp ? { generation: 1, stream: "mqtt", counter: this.#epoch } : undefined,
      traceparent: undefined,
      body,
    });
    return await signEnvelope(payloadTypes.message, payload, signer);
  }
}

function headRow(
  list: CrlRecord,
  snapshots: ShardSnapshots,
  { shard, patchFrom }: { readonly shard: number; readonly patchFrom: readonly number[] },
): HeadShard {
  const crl = {
    crlEpoch: list.epoch,
    crlLength: list.der.length,
    crlSha256: sha256(list.der),
    crlPatchFrom: patchFrom,
  };
  return { shard, coveredFrom: 0, coveredTo: perShard, ...crl, ...snapshotInHead(snapshots) };
}

function listOf(indices: readonly number[], shard: number, epoch: number): CrlRecord {
  const entries = indices.map((index) => ({
    serial: Serial.make({
      shard,
      index,
      random13: sha256(Uint8Array.of(index, index >> 8, index >> 16)).subarray(0, 13),
    }),
    revokedAt: now - (index % 90) * 86_400_000,
    reason: "superseded" as const,
  }));
  const tbs = encodeTbsCrl({ ...crlTemplate(0), crlNumber: epoch, entries });
  const der = assembleSigned(tbs, "P-256", new Uint8Array(71));
  return { issuer, shard, epoch, der, sha256: sha256Hex(der), entryCount: entries.length };
}

/** PUBLISH of QoS 1 and its PUBACK (MQTT 3.1.1 §3.3, §3.4). */
function published(topic: Topic, payload: number): number {
  const body = 2 + formatTopic(topic).length + 2 + payload;
  return 1 + lengthOctets(body) + body + 4;
}

/** SUBSCRIBE, SUBACK, the message, UNSUBSCRIBE, UNSUBACK (§3.8 to §3.11). */
function fetched(topic: Topic, payload: number): number {
  const name = formatTopic(topic).length;
  const [subscribe, unsubscribe] = [2 + 2 + name + 1, 2 + 2 + name];
  return (
    1 +
    lengthOctets(subscribe) +
    subscribe +
    5 +
    published(topic, payload) +
    1 +
    lengthOctets(unsubscribe) +
    unsubscribe +
    4
  );
}

const lengthOctets = (length: number): number => (length < 128 ? 1 : length < 16_384 ? 2 : 3);

const issuer = "ab".repeat(32);
const device = "pump-0017";
const now = Date.UTC(2026, 10, 20);
const shardCount = 4;
const perShard = 250_000;
const revocations = 100;
/** Heads that only refresh, one every half hour. */
const refreshes = 48;
const epochsOfDay = revocations + refreshes;
