import {
  type CommandKey,
  encodeMessage,
  formatTopic,
  type HeadShard,
  payloadTypes,
  type RevocationHead,
  signEnvelope,
  splitParts,
  type Topic,
} from "@fleetcert/proto";
import {
  assembleSigned,
  encodeSnapshot,
  encodeSnapshotDelta,
  encodeTbsCrl,
  FleetError,
  IndexSet,
  type Instant,
  Serial,
  type Signer,
  sha256,
  subjectKeyIdOf,
} from "@fleetcert/shared";
import { zstdListPatches } from "../../../agent/src/adapters/zstd-list-patches.ts";
import type { RetainedSource } from "../../../agent/src/retained/retained-topics.ts";
import { RevocationCache } from "../../../agent/src/revocation/revocation-cache.ts";
import { openTimeKeeper } from "../../../agent/src/time/time-keeper.ts";
import { type OpenTrustKeeper, openTrustKeeper } from "../../../agent/src/trust/trust-keeper.ts";
import { zstdListPatches as zstdPatchMaker } from "../../../controller/src/adapters/compression/zstd-list-patches.ts";
import { KeptLog } from "../agent/agent-surroundings.ts";
import { CrashingStateStore } from "../agent/crashing-state-store.ts";
import { ManualClock } from "../manual-clock.ts";
import {
  aBundle,
  aCommandKey,
  anIssuer,
  aRoot,
  signedBundle,
  type TestCa,
  testFleet,
  testNow,
} from "../pki/fleet-trust.ts";

/** One shard to publish: what is revoked in it by index, and the list's epoch when it is not made anew. */
export interface ShardContent {
  readonly shard: number;
  readonly revoked: readonly number[];
  readonly crlEpoch?: number;
  readonly coveredTo?: number;
  /** Epoch of the shard's snapshot; there is none without. A delta is made from each of these earlier contents. */
  readonly snapshotEpoch?: number;
  readonly deltaFrom?: ReadonlyMap<number, IndexSet>;
  /** Epochs of earlier lists of the shard, from each of which a patch is made. */
  readonly patchFrom?: readonly number[];
}

/** A head on its way to a device. */
export interface PublishedHead {
  readonly head: RevocationHead;
  readonly envelope: Uint8Array;
}

/** The serial of the certificate with this index in a shard. */
export const serialOf = (shard: number, index: number): Serial =>
  Serial.make({ shard, index, random13: new Uint8Array(13).fill(index % 256) });

/**
 * A controller that publishes revocation state of one issuer to a broker that keeps it, and devices that follow. The broker's
 * shelf is open: a test is the hostile broker.
 */
export class RevocationWorld {
  readonly root: TestCa;
  readonly issuer: TestCa;
  /** Another issuer of the same fleet, with lists of its own. */
  readonly other: TestCa;
  readonly heads: { readonly signer: Signer; readonly entry: CommandKey };
  readonly messages: { readonly signer: Signer; readonly entry: CommandKey };
  readonly shelf = new Map<string, Uint8Array>();
  #made = 0;

  constructor(parts: Pick<RevocationWorld, "root" | "issuer" | "other" | "heads" | "messages">) {
    this.root = parts.root;
    this.issuer = parts.issuer;
    this.other = parts.other;
    this.heads = parts.heads;
    this.messages = parts.messages;
  }

  static async begin(): Promise<RevocationWorld> {
    const root = await aRoot();
    const [issuer, other] = await Promise.all([anIssuer(root), anIssuer(root, "Other")]);
    const heads = aCommandKey("heads", { issuers: [issuer.id] });
    return new RevocationWorld({ root, issuer, other, heads, messages: aCommandKey("messages") });
  }

  /** The envelope of a trust bundle with this era and version. */
  bundle(
    changes: {
      readonly era?: number;
      readonly version?: number;
      readonly commandKeys?: readonly CommandKey[];
      readonly issuers?: readonly Uint8Array[];
    } = {},
  ) {
    const { era = 1, version = 1, commandKeys = [this.heads.entry, this.messages.entry] } = changes;
    const { issuers = [this.issuer.certificate.der, this.other.certificate.der] } = changes;
    return signedBundle(aBundle({ era, version, issuers, commandKeys, roots: [this.root.certificate.der] }), this.root);
  }

  /** Makes the lists of an epoch, puts their parts on the shelf, and signs its head. */
  async publish(
    epoch: number,
    shards: readonly ShardContent[],
    changes: Partial<RevocationHead> & { readonly signer?: Signer } = {},
  ): Promise<PublishedHead> {
    const rows = await Promise.all(shards.map((content) => this.#publishShard(epoch, content)));
    const { signer = this.heads.signer, ...rest } = changes;
    const thisUpdate = testNow + epoch * minute;
    const head = {
      issuer: this.issuer.id,
      era: 1,
      epoch,
      thisUpdate,
      nextUpdate: thisUpdate + hour,
      shards: rows,
      ...rest,
    };
    return { head, envelope: await this.signHead(head, signer) };
  }

  /** An envelope that says a head, in a message of its own. */
  signHead(head: RevocationHead, signer: Signer = this.heads.signer): Promise<Uint8Array> {
    const payload = encodeMessage({
      fleet: testFleet,
      direction: "controller-to-fleet",
      sender: "controller",
      recipient: "fleet",
      messageId: String(this.#made++).padStart(32, "0"),
      inReplyTo: undefined,
      sentAt: testNow,
      expiresAt: head.nextUpdate,
      sequence: undefined,
      traceparent: undefined,
      body: { type: "head", ...head },
    });
    return signEnvelope(payloadTypes.message, payload, signer);
  }

  /** The DER list of a shard, signed by a CA, with anything about it changed. */
  async crl(content: {
    readonly shard: number;
    readonly revoked: readonly number[];
    readonly number: number;
    readonly signer?: TestCa;
    readonly scope?: string;
  }): Promise<Uint8Array> {
    const { shard, revoked, number, signer = this.issuer, scope = `${this.issuer.id}/${shard}` } = content;
    const tbs = encodeTbsCrl({
      issuer: signer.certificate.subject.der,
      authorityKeyId: signer.certificate.subjectKeyId ?? subjectKeyIdOf(signer.signer.spki),
      thisUpdate: testNow,
      nextUpdate: testNow + 30 * 24 * hour,
      crlNumber: number,
      entries: revoked.map((index) => ({
        serial: serialOf(shard, index),
        revokedAt: testNow,
        reason: "keyCompromise",
      })),
      issuingDistributionPoint: { uris: [`http://127.0.0.1:1/crl/${scope}.crl`] },
      signatureAlgorithmOf: signer.signer.algorithm,
    });
    return assembleSigned(tbs, signer.signer.algorithm, await signer.signer.sign(tbs));
  }

  /** Puts a list on the shelf and describes it as a head would. */
  shelve(
    der: Uint8Array,
    { shard, epoch, coveredTo = 1024 }: { shard: number; epoch: number; coveredTo?: number },
  ): HeadShard {
    for (const [part, bytes] of splitParts(der).entries()) {
      this.shelf.set(formatTopic({ type: "crl-part", issuer: this.issuer.id, shard, epoch, part }), bytes);
    }
    return {
      shard,
      coveredFrom: 0,
      coveredTo,
      revokedCount: 0,
      crlEpoch: epoch,
      crlLength: der.length,
      crlSha256: sha256(der),
      snapshotEpoch: 0,
      snapshotLength: 0,
      snapshotSha256: new Uint8Array(),
      deltaFrom: [],
      crlPatchFrom: [],
    };
  }

  /** A device with its disk; `restart` gives it a new process. */
  async device(
    options: {
      readonly disk?: CrashingStateStore;
      readonly now?: Instant;
      readonly trust?: Uint8Array;
      readonly keepsLists?: boolean;
      readonly failOpenFor?: (slot: string | undefined) => number;
    } = {},
  ) {
    const disk = options.disk ?? new CrashingStateStore();
    const clock = new ManualClock(options.now ?? testNow);
    const log = new KeptLog();
    const time = await openTimeKeeper({ clock, state: disk, buildTime: testNow - 1000 * hour, log });
    const pin = { rootSha256: this.root.certificate.sha256, fleet: testFleet };
    const trust: OpenTrustKeeper = await openTrustKeeper({ state: disk, pin, time, log });
    if (trust.current() === undefined || options.trust) await trust.accept(options.trust ?? (await this.bundle()));
    const { keepsLists = true, failOpenFor = () => Number.POSITIVE_INFINITY } = options;
    const cache = await RevocationCache.open({
      state: disk,
      trust,
      time,
      log,
      patches: zstdListPatches,
      keepsLists,
      failOpenFor,
    });
    return { disk, clock, log, time, trust, cache };
  }

  /** Takes a head to a device as a session would: examined, then applied. Resolves with its ack, if it gave one. */
  async apply(cache: RevocationCache, { envelope }: PublishedHead, asked: Topic[] = []) {
    const offered = cache.examine(envelope, { issuer: this.issuer.id, via: "mqtt" });
    return offered && (await cache.apply(offered, this.retained(asked), new AbortController().signal));
  }

  /** What a device says of the certificate with this index. */
  status(cache: RevocationCache, index: number, shard = 1) {
    return cache.isRevoked(this.issuer.id, serialOf(shard, index)).status;
  }

  /** What the broker gives; counts what was asked for. */
  retained(asked: Topic[] = []): RetainedSource {
    const fetchKept = async (topics: readonly Topic[]) => {
      asked.push(...topics);
      return topics.map((topic) => this.shelf.get(formatTopic(topic)));
    };
    return {
      fetchKept,
      async fetch(topics) {
        const payloads = await fetchKept(topics);
        return payloads.map((payload) => {
          if (payload !== undefined) return payload;
          throw new FleetError("timeout", "nothing came", { retry: true });
        });
      },
    };
  }

  async #publishShard(epoch: number, content: ShardContent): Promise<HeadShard> {
    const { shard, revoked, crlEpoch = epoch, coveredTo } = content;
    const key = `${shard}/${crlEpoch}/${revoked.join()}`;
    const der = this.#lists.get(key) ?? (await this.crl({ shard, revoked, number: crlEpoch }));
    this.#lists.set(key, der);
    const row = this.shelve(der, { shard, epoch: crlEpoch, ...(coveredTo === undefined ? {} : { coveredTo }) });
    const crlPatchFrom = await this.#shelvePatches(der, { shard, to: crlEpoch, from: content.patchFrom ?? [] });
    return { ...row, crlPatchFrom, ...this.#shelveSnapshot(row, content) };
  }

  async #shelvePatches(
    der: Uint8Array,
    step: { shard: number; to: number; from: readonly number[] },
  ): Promise<number[]> {
    const { shard, to } = step;
    this.#listOf.set(`${shard}/${to}`, der);
    for (const from of step.from) {
      const base = this.#listOf.get(`${shard}/${from}`) as Uint8Array;
      const topic = formatTopic({ type: "crl-patch", issuer: this.issuer.id, shard, from, to });
      this.shelf.set(topic, await zstdPatchMaker.make(base, der));
    }
    return [...step.from];
  }

  #shelveSnapshot(
    { shard, coveredTo }: HeadShard,
    { revoked, snapshotEpoch, deltaFrom = new Map() }: ShardContent,
  ): Partial<HeadShard> {
    if (snapshotEpoch === undefined) return {};
    const issuer = this.issuer.id;
    const set = IndexSet.of(coveredTo, revoked);
    const bytes = encodeSnapshot(set);
    for (const [part, payload] of splitParts(bytes).entries()) {
      this.shelf.set(formatTopic({ type: "snapshot-part", issuer, shard, epoch: snapshotEpoch, part }), payload);
    }
    for (const [from, base] of deltaFrom) {
      const topic = formatTopic({ type: "delta", issuer, shard, from, to: snapshotEpoch });
      this.shelf.set(topic, encodeSnapshotDelta(base, set));
    }
    return {
      revokedCount: revoked.length,
      snapshotEpoch,
      snapshotLength: bytes.length,
      snapshotSha256: sha256(bytes),
      deltaFrom: [...deltaFrom.keys()],
    };
  }

  readonly #lists = new Map<string, Uint8Array>();
  readonly #listOf = new Map<string, Uint8Array>();
}

const minute = 60_000;
const hour = 60 * minute;
