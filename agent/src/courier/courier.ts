import type { BodyOf, DesiredState, TrustBundle } from "@fleetcert/proto";
import type { Instant, ProviderKey, Signer } from "@fleetcert/shared";
import type { IssuedRecord } from "../credential/verify-issued.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { Log, RandomSource, StateStore, TimeKeeper, TrustKeeper } from "../ports.ts";
import type { RevocationCache } from "../revocation/revocation-cache.ts";
import { type AppliedReply, applyReply } from "./apply-reply.ts";
import { openReply } from "./open-reply.ts";
import { packRequest } from "./pack-request.ts";

/** A key that signs, with the generation of the identity it belongs to. */
export interface SigningIdentity {
  readonly generation: number;
  readonly key: ProviderKey;
}

/**
 * The keys of the identity: the one in use, and the one whose proof is under way or in doubt. Before the first proof the only one there
 * is stands for the one in use.
 */
export interface CarriedIdentity {
  readonly current: SigningIdentity;
  readonly next: SigningIdentity | undefined;
}

/** The claim of a device that is to enrol, and the key that stands for its secret. */
export interface CarriedClaim {
  readonly claimId: string;
  readonly signer: Signer;
}

/** What a slot has to say to the controller now. */
export interface SlotWishes {
  /** Of the identity before its first certificate; the claim is put in when it is packed. */
  readonly enrol: BodyOf<"enrol"> | undefined;
  readonly renew: BodyOf<"renew"> | undefined;
  /** Signed by the next identity where it is about the identity, else by the current one. */
  readonly activated: BodyOf<"activated"> | undefined;
}

/**
 * A slot as bundles see it.
 *
 * - `wishes` sees to it that a renewal that is due, or wanted now, has its key and request; rejects with what keeps it from that.
 * - `check` gives what was issued, verified; undefined when nobody waits for it. Throws `issued-mismatch`.
 * - `take`, `confirmed` and `refused` resolve when what follows is durable; each is idempotent, and false when nobody waited for it.
 */
export interface CarriedSlot {
  readonly slot: string;
  wishes(options: { readonly renew: boolean }): Promise<SlotWishes>;
  check(
    body: BodyOf<"issued">,
    signed: { readonly bundle: TrustBundle; readonly at: Instant },
  ): Promise<IssuedRecord | undefined>;
  take(generation: number, issued: IssuedRecord): Promise<boolean>;
  confirmed(body: BodyOf<"confirmed">): Promise<boolean>;
  refused(
    asked: { readonly kind: "enrol" | "renew" | "activated"; readonly generation: number },
    refusal: BodyOf<"refused">,
  ): Promise<boolean>;
}

/** What the courier's duty works with. */
export interface CourierParts {
  readonly fleet: string;
  readonly device: string;
  /** The root a claim pins, lower-case hex: what the first trust begins with. */
  readonly rootSha256: string;
  readonly state: StateStore;
  readonly trust: TrustKeeper;
  readonly time: TimeKeeper;
  readonly random: RandomSource;
  readonly log: Log;
  readonly outbox: Outbox;
  readonly revocation: RevocationCache;
  /** Whether revocation lists are kept beside snapshots. */
  readonly keepsLists: boolean;
  readonly slots: readonly CarriedSlot[];
  /** Throws `not-found` before the device has a key. */
  readonly identity: () => Promise<CarriedIdentity>;
  /** Whether a certificate was ever issued to this device; if not, bundles carry its enrolment. */
  readonly hasEnrolled: () => boolean;
  /** Throws `claim-invalid` where there is none, `claim-malformed`. */
  readonly claim: () => Promise<CarriedClaim>;
  /** Numbers of the courier's stream: each larger than every one before, across restarts. */
  readonly nextCounter: () => Promise<number>;
  readonly newMessageId: () => string;
  readonly report: () => BodyOf<"report">;
  /** Takes a verified desired state with its envelope; false when it is not newer. */
  readonly desired: (state: DesiredState, envelope: Uint8Array) => Promise<boolean>;
  /** Told after a reply was applied. */
  readonly applied: () => void;
}

/** A bundle for a courier, and what it holds. */
export interface ExportedBundle {
  readonly device: string;
  readonly generation: number;
  readonly counter: number;
  /** The claim by which this device asks to be let in; empty once it was. */
  readonly enrolsBy: string;
  /** Generations asked for and to be proven, by slot. */
  readonly renews: Readonly<Record<string, number>>;
  readonly proves: Readonly<Record<string, number>>;
  /** Security events and acks of revocations. */
  readonly news: number;
  /** What waits for the next bundle because this one is full. */
  readonly left: number;
  readonly bundle: Uint8Array;
}

/** The exchange with the controller by files, while no network reaches this device. */
export interface Courier {
  /** Packs what the controller has to know and be asked. Changes nothing that a lost file would have to undo. */
  pack(options: { readonly renew: boolean }): Promise<ExportedBundle>;
  /**
   * Applies the reply to one of the last exports. All of it is verified before any of it is applied; refused, it changes nothing.
   *
   * Throws `bundle-damaged`, `bundle-foreign`, `bundle-stale`, `message-replayed`, `message-expired`, `message-invalid`,
   * `message-too-large`, `version-unsupported`, `signature-invalid`, `signer-not-allowed`, `trust-invalid`, `issued-mismatch`.
   */
  apply(bytes: Uint8Array, signal: AbortSignal): Promise<AppliedReply>;
}

/** Opens the courier's duty; one export or import at a time. */
export function openCourier(parts: CourierParts): Courier {
  let last: Promise<unknown> = Promise.resolve();
  const turn = <T>(act: () => Promise<T>): Promise<T> => {
    const mine = last.then(act);
    last = mine.catch(() => undefined);
    return mine;
  };
  return {
    pack: (options) => turn(() => packRequest(parts, options)),
    apply: (bytes, signal) => turn(async () => applyReply(parts, await openReply(parts, bytes), signal)),
  };
}
