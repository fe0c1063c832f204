import { type BodyOf, decodeEnvelope, type EpochStatus, type HeadShard, type Via } from "@fleetcert/proto";
import {
  type Certificate,
  type CertificateRevocationList,
  type Duration,
  FleetError,
  type Instant,
  isFleetError,
  type Serial,
  sha256,
} from "@fleetcert/shared";
import { openControllerMessage } from "../controller-message.ts";
import type { ListPatches, Log, StateStore, TimeKeeper } from "../ports.ts";
import type { RetainedSource } from "../retained/retained-topics.ts";
import type { OpenTrustKeeper } from "../trust/trust-keeper.ts";
import { dropUnneeded, readHeld, storedIssuers, switchTo } from "./epoch-store.ts";
import { type HeldEpoch, isComplete, type RevocationVerdict, type ShardState, verdictOn } from "./held-epoch.ts";
import { judgeHead } from "./judge-head.ts";
import { obtainShard } from "./obtain-shard.ts";
import { RevocationRefusal } from "./refusal.ts";
import { type FailOpenFor, worthOf } from "./staleness.ts";

/** A verdict with how old the epoch is that it rests on. */
export type RevocationAnswer = RevocationVerdict & {
  readonly issuer: string;
  /** Absent when nothing is held. */
  readonly epoch?: EpochAge;
};

/** How far revocation state goes and how fresh it is. */
export interface EpochAge {
  readonly era: number;
  readonly epoch: number;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  readonly age: Duration;
  /** Past the head's nextUpdate by the estimated time; what follows from it is the slot's policy. */
  readonly isStale: boolean;
}

/** What `crl show` tells of one issuer. */
export interface HeldIssuer extends EpochAge {
  readonly issuer: string;
  /** Subject of the issuer's certificate; its id when it left the trust bundle. */
  readonly name: string;
  readonly headSha256: string;
  readonly appliedAt: Instant;
  readonly via: Via;
  readonly shards: readonly HeldShard[];
}

/** What is held of one shard of the epoch in force. */
export interface HeldShard {
  readonly shard: number;
  readonly coveredFrom: number;
  readonly coveredTo: number;
  readonly crlNumber: number;
  readonly snapshotEpoch: number;
  /** What is at hand; nothing of it when it is damaged and has not come again. */
  readonly holds: readonly ("snapshot" | "list")[];
  /** Certificates revoked; undefined when nothing is at hand. */
  readonly entries: number | undefined;
}

/** A head whose signature is verified. */
export interface OfferedHead {
  readonly head: BodyOf<"head">;
  /** SHA-256 of the payload it came in. */
  readonly headSha256: Uint8Array;
  readonly via: Via;
}

interface Options {
  readonly state: StateStore;
  readonly trust: Pick<OpenTrustKeeper, "current" | "issuer">;
  readonly time: Pick<TimeKeeper, "accept" | "estimate">;
  readonly log: Log;
  readonly patches: ListPatches;
  /** Whether lists are fetched and kept beside snapshots: for local software, and to know reasons and times. */
  readonly keepsLists: boolean;
  readonly failOpenFor: FailOpenFor;
}

/**
 * The revocation state this device enforces (I3): what was applied is answered from memory, survives restarts without a
 * network, and changes only to a higher (era, epoch), all shards at once.
 */
export class RevocationCache {
  readonly #options: Options;
  readonly #held: Map<string, HeldEpoch>;
  /** Issuers whose stored epoch was damaged beyond healing; for an alarm. */
  readonly lost: readonly string[];
  /** One epoch of an issuer after the other; issuers do not wait for each other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: Options, stored: { held: Map<string, HeldEpoch>; lost: readonly string[] }) {
    this.#options = options;
    this.#held = stored.held;
    this.lost = stored.lost;
  }

  /** Opens the cache on what is stored; needs no network and no trust. */
  static async open(options: Options): Promise<RevocationCache> {
    const held = new Map<string, HeldEpoch>();
    const lost: string[] = [];
    for (const issuer of await storedIssuers(options.state)) {
      try {
        const epoch = await readHeld(options.state, issuer);
        if (epoch !== undefined) held.set(issuer, epoch);
      } catch (error) {
        if (!isFleetError(error, "store-corrupt", "message-invalid", "crl-invalid")) throw error;
        options.log.error({ issuer, error: error.message }, "revocation state lost");
        lost.push(issuer);
      }
    }
    return new RevocationCache(options, { held, lost });
  }

  /**
   * Whether a certificate of the issuer (SPKI SHA-256, hex) is revoked, as far as this device can know and, when what it knows
   * is stale, as far as the policy of the slot that asks allows.
   */
  isRevoked(issuer: string, serial: Serial, slot?: string): RevocationAnswer {
    const held = this.#held.get(issuer);
    const isOurs = this.#options.trust.issuer(issuer) !== undefined;
    if (held === undefined) return { status: "unknown", why: isOurs ? "nothing-held" : "not-ours", issuer };
    const verdict = verdictOn(held, serial);
    // What is held of an issuer that was retired or distrusted makes none of its certificates good; revoked ones stay so (I3).
    if (!isOurs && verdict.status !== "revoked") return { status: "unknown", why: "not-ours", issuer };
    const { nextUpdate } = held.head;
    const at = { now: this.#options.time.estimate().at, nextUpdate, failOpenFor: this.#options.failOpenFor(slot) };
    return { ...worthOf(verdict, at), issuer, epoch: this.#ageOf(held) };
  }

  /** For `crl check`: what every issuer held says of a serial. */
  check(serial: Serial, slot?: string): RevocationAnswer[] {
    return [...this.#held.keys()].map((issuer) => this.isRevoked(issuer, serial, slot));
  }

  /** For `crl show`: what is held, issuer by issuer. */
  show(): HeldIssuer[] {
    return [...this.#held.values()].map((held) => ({
      issuer: held.head.issuer,
      name: this.#options.trust.issuer(held.head.issuer)?.subject.text ?? held.head.issuer,
      ...this.#ageOf(held),
      headSha256: Buffer.from(held.headSha256).toString("hex"),
      appliedAt: held.appliedAt,
      via: held.via,
      shards: held.head.shards.map((shard) => describeShard(shard, held)),
    }));
  }

  /** For status reports. */
  epochs(): EpochStatus[] {
    return [...this.#held.values()].map((held) => {
      const { era, epoch, isStale } = this.#ageOf(held);
      return { issuer: held.head.issuer, era, epoch, stale: isStale };
    });
  }

  /**
   * Every list of every issuer that is trusted, for local software; undefined while one that a head names is not at hand. Whoever
   * looks only at the last certificate's list refuses what an issuer has signed once that issuer has left the trust bundle.
   */
  allLists(): CertificateRevocationList[] | undefined {
    const { trust } = this.#options;
    const held = [...this.#held].filter(([issuer]) => trust.issuer(issuer) !== undefined).map(([, one]) => one);
    if (held.length === 0 || !held.every((one) => isComplete(one, { keepsLists: true }))) return undefined;
    return held.flatMap(({ lists }) => [...lists.values()]);
  }

  /** Acks of all that is in force; telling one again does no harm. */
  acks(): BodyOf<"ack">[] {
    return [...this.#held.values()].map(ackOf);
  }

  /**
   * Verifies a head that came for an issuer and says whether there is anything to apply. Changes nothing.
   * Throws a {@link RevocationRefusal}, `signer-not-allowed`, `signature-invalid` or `message-invalid`; `trust-invalid` when
   * there is no trust bundle, or the issuer is not in it.
   */
  examine(envelope: Uint8Array, from: { readonly issuer: string; readonly via: Via }): OfferedHead | undefined {
    const offered = this.#verify(envelope, from);
    const held = this.#held.get(from.issuer);
    const order = judgeHead(offered.head, held?.head);
    const isNeeded = order === "newer" || (held !== undefined && !isComplete(held, this.#options));
    return isNeeded ? offered : undefined;
  }

  /**
   * Fetches and verifies what is missing, makes the epoch durable and enforces it, all shards at once. Resolves with
   * the ack; undefined when the epoch was in force already (what is damaged or newly wanted is fetched). A cut or refusal at any point leaves the
   * epoch before in force. Throws a {@link RevocationRefusal}, or what fetching or storing threw.
   */
  apply(offered: OfferedHead, retained: RetainedSource, signal: AbortSignal): Promise<BodyOf<"ack"> | undefined> {
    const { issuer } = offered.head;
    const before = this.#turns.get(issuer) ?? Promise.resolve();
    const done = before.then(() => this.#apply(offered, retained, signal));
    this.#turns.set(
      issuer,
      done.catch(() => {}),
    );
    return done;
  }

  async #apply(
    { head, headSha256, via }: OfferedHead,
    retained: RetainedSource,
    signal: AbortSignal,
  ): Promise<BodyOf<"ack"> | undefined> {
    const { state, time, log, patches, keepsLists } = this.#options;
    const before = this.#held.get(head.issuer);
    const order = judgeHead(head, before?.head);
    if (order === "same" && before !== undefined && isComplete(before, this.#options)) return undefined;
    await dropUnneeded(state, head.issuer, before === undefined ? [head] : [head, before.head]);
    const { issuer } = head;
    const certificate = this.#requireIssuer(issuer);
    const shards = new Map<number, ShardState>();
    for (const shard of head.shards) {
      signal.throwIfAborted();
      const source = { state, retained, log, patches, issuer, certificate, before, keepsLists, signal };
      shards.set(shard.shard, await obtainShard(source, shard));
    }
    const applied =
      order === "same" && before !== undefined ? before : { headSha256, via, appliedAt: time.estimate().at };
    const { headSha256: appliedSha256, appliedAt, via: appliedVia } = applied;
    const held: HeldEpoch = {
      head,
      headSha256: appliedSha256,
      appliedAt,
      via: appliedVia,
      lists: present(shards, ({ list }) => list),
      snapshots: present(shards, ({ snapshot }) => snapshot),
    };
    await switchTo(state, held);
    this.#held.set(issuer, held);
    log.info({ issuer, era: head.era, epoch: head.epoch, shards: shards.size }, "revocation epoch applied");
    await time
      .accept(head.thisUpdate, "message")
      .catch((error: unknown) => log.warn({ error }, "time floor not raised"));
    return order === "same" ? undefined : ackOf(held);
  }

  #verify(envelope: Uint8Array, { issuer, via }: { readonly issuer: string; readonly via: Via }): OfferedHead {
    const bundle = this.#options.trust.current();
    if (bundle === undefined) throw new FleetError("trust-invalid", "no trust bundle to judge a head by");
    // An expired head is better than an older one: it counts as stale, and is taken.
    const { body: head } = openControllerMessage(envelope, { bundle, recipient: "fleet" });
    if (head.type !== "head") throw new FleetError("message-invalid", `a ${head.type} in the place of a head`);
    if (head.issuer !== issuer)
      throw new RevocationRefusal("wrong-issuer", `a head of issuer ${head.issuer} came for ${issuer}`);
    if (head.era > bundle.era) {
      throw new RevocationRefusal("era-ahead", `the head is of era ${head.era}, the trust bundle of ${bundle.era}`);
    }
    this.#requireIssuer(issuer);
    return { head, headSha256: sha256(decodeEnvelope(envelope).payload), via };
  }

  #requireIssuer(issuer: string): Certificate {
    const certificate = this.#options.trust.issuer(issuer);
    if (certificate !== undefined) return certificate;
    throw new FleetError("trust-invalid", `issuer ${issuer} is not in the trust bundle`);
  }

  #ageOf({ head }: HeldEpoch): EpochAge {
    const now = this.#options.time.estimate().at;
    const { era, epoch, thisUpdate, nextUpdate } = head;
    return { era, epoch, thisUpdate, nextUpdate, age: Math.max(0, now - thisUpdate), isStale: now > nextUpdate };
  }
}

function ackOf({ head, headSha256, appliedAt, via }: HeldEpoch): BodyOf<"ack"> {
  const { issuer, era, epoch } = head;
  return { type: "ack", issuer, era, epoch, headSha256, appliedAt, via };
}

/** What there is of a kind, by shard. */
function present<T>(shards: ReadonlyMap<number, ShardState>, of: (shard: ShardState) => T | undefined): Map<number, T> {
  return new Map([...shards].flatMap(([shard, state]) => (of(state) === undefined ? [] : [[shard, of(state) as T]])));
}

function describeShard(row: HeadShard, { lists, snapshots }: HeldEpoch): HeldShard {
  const { shard, coveredFrom, coveredTo, crlEpoch, snapshotEpoch, revokedCount } = row;
  const list = lists.get(shard);
  const hasSnapshot = snapshots.has(shard);
  return {
    ...{ shard, coveredFrom, coveredTo, crlNumber: crlEpoch, snapshotEpoch },
    holds: [...(hasSnapshot ? (["snapshot"] as const) : []), ...(list ? (["list"] as const) : [])],
    entries: list?.entryCount ?? (hasSnapshot ? revokedCount : undefined),
  };
}
