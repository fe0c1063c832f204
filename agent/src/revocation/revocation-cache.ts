import {
  type BodyOf,
  decodeEnvelope,
  type EpochStatus,
  type HeadShard,
  joinParts,
  partCount,
  type Topic,
  type Via,
} from "@fleetcert/proto";
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
import type { Log, StateStore, TimeKeeper } from "../ports.ts";
import type { RetainedSource } from "../retained/retained-topics.ts";
import type { OpenTrustKeeper } from "../trust/trust-keeper.ts";
import { dropUnneeded, readHeld, readList, storedIssuers, switchTo, writeList } from "./epoch-store.ts";
import { type HeldEpoch, isComplete, type RevocationVerdict, verdictOn } from "./held-epoch.ts";
import { judgeHead } from "./judge-head.ts";
import { RevocationRefusal } from "./refusal.ts";
import { verifyShardCrl } from "./verify-shard-crl.ts";

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

export interface HeldShard {
  readonly shard: number;
  readonly coveredFrom: number;
  readonly coveredTo: number;
  readonly crlNumber: number;
  readonly bytes: number;
  readonly sha256: string;
  /** Undefined when the list is damaged and has not come again. */
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

  /** Whether a certificate of the issuer (SPKI SHA-256, hex) is revoked, as far as this device can know. */
  isRevoked(issuer: string, serial: Serial): RevocationAnswer {
    const held = this.#held.get(issuer);
    const verdict = verdictOn(held, serial);
    return held === undefined ? { ...verdict, issuer } : { ...verdict, issuer, epoch: this.#ageOf(held) };
  }

  /** For `crl check`: what every issuer held says of a serial. */
  check(serial: Serial): RevocationAnswer[] {
    return [...this.#held.keys()].map((issuer) => this.isRevoked(issuer, serial));
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
      shards: held.head.shards.map((shard) => describeShard(shard, held.lists.get(shard.shard))),
    }));
  }

  /** For status reports. */
  epochs(): EpochStatus[] {
    return [...this.#held.values()].map((held) => {
      const { era, epoch, isStale } = this.#ageOf(held);
      return { issuer: held.head.issuer, era, epoch, stale: isStale };
    });
  }

  /** The lists in force of an issuer, for path validation and hand-over to other software. */
  lists(issuer: string): CertificateRevocationList[] {
    return [...(this.#held.get(issuer)?.lists.values() ?? [])];
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
    const isNeeded = order === "newer" || (held !== undefined && !isComplete(held));
    return isNeeded ? offered : undefined;
  }

  /**
   * Fetches and verifies the lists that are missing, makes the epoch durable and enforces it, all shards at once. Resolves with
   * the ack; undefined when the epoch was in force already (damaged lists are healed). A cut or refusal at any point leaves the
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
    const { state, time, log } = this.#options;
    const before = this.#held.get(head.issuer);
    const order = judgeHead(head, before?.head);
    if (order === "same" && before !== undefined && isComplete(before)) return undefined;
    await dropUnneeded(state, head.issuer, before === undefined ? [head] : [head, before.head]);
    const lists = new Map<number, CertificateRevocationList>();
    for (const shard of head.shards) {
      signal.throwIfAborted();
      lists.set(shard.shard, heldList(before, shard) ?? (await this.#obtain(head.issuer, shard, { retained, signal })));
    }
    const applied =
      order === "same" && before !== undefined ? before : { headSha256, via, appliedAt: time.estimate().at };
    const { headSha256: appliedSha256, appliedAt, via: appliedVia } = applied;
    const held: HeldEpoch = { head, headSha256: appliedSha256, appliedAt, via: appliedVia, lists };
    await switchTo(state, held);
    this.#held.set(head.issuer, held);
    log.info({ issuer: head.issuer, era: head.era, epoch: head.epoch, shards: lists.size }, "revocation epoch applied");
    await time
      .accept(head.thisUpdate, "message")
      .catch((error: unknown) => log.warn({ error }, "time floor not raised"));
    return order === "same" ? undefined : ackOf(held);
  }

  /** A list that was stored before a cut, or fetched now; stored before it is used. */
  async #obtain(
    issuer: string,
    shard: HeadShard,
    { retained, signal }: { readonly retained: RetainedSource; readonly signal: AbortSignal },
  ): Promise<CertificateRevocationList> {
    const { state } = this.#options;
    const certificate = this.#requireIssuer(issuer);
    const stored = await readList(state, issuer, shard);
    if (stored !== undefined) return verifyShardCrl(stored, shard, certificate);
    const parts = await retained.fetch(partTopics(issuer, shard), signal);
    const der = joinWhole(parts, shard);
    const list = verifyShardCrl(der, shard, certificate);
    await writeList(state, issuer, { shard, der });
    return list;
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

/** The list in memory, when the head names the very same one. */
function heldList(held: HeldEpoch | undefined, wanted: HeadShard): CertificateRevocationList | undefined {
  const before = held?.head.shards.find(({ shard }) => shard === wanted.shard);
  const isSame = before?.crlEpoch === wanted.crlEpoch && Buffer.compare(before.crlSha256, wanted.crlSha256) === 0;
  return isSame ? held?.lists.get(wanted.shard) : undefined;
}

function partTopics(issuer: string, { shard, crlEpoch: epoch, crlLength }: HeadShard): Topic[] {
  return Array.from({ length: partCount(crlLength) }, (_, part) => ({ type: "crl-part", issuer, shard, epoch, part }));
}

function joinWhole(parts: readonly Uint8Array[], { shard, crlLength }: HeadShard): Uint8Array {
  try {
    return joinParts(parts, crlLength);
  } catch (cause) {
    if (!isFleetError(cause, "message-invalid")) throw cause;
    throw new RevocationRefusal("truncated", `the parts of shard ${shard} do not join: ${cause.message}`, cause);
  }
}

function describeShard(shard: HeadShard, list: CertificateRevocationList | undefined): HeldShard {
  const { coveredFrom, coveredTo, crlEpoch, crlLength, crlSha256 } = shard;
  return {
    shard: shard.shard,
    coveredFrom,
    coveredTo,
    crlNumber: crlEpoch,
    bytes: crlLength,
    sha256: Buffer.from(crlSha256).toString("hex"),
    entries: list?.entryCount,
  };
}
