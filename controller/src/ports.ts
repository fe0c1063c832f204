import type { Body, BodyOf, Message, UpKind } from "@fleetcert/proto";
import type { Clock, Duration, Instant, Signer } from "@fleetcert/shared";
import type { FailpointName } from "./failpoints.ts";
import type { CertificateRecord } from "./records.ts";
import type { Transaction } from "./store-port.ts";

/** Randomness; only adapters implement it. */
export interface RandomSource {
  /** Cryptographically secure octets. */
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1), for jitter only. */
  fraction(): number;
}

/**
 * A certificate authority whose key signs here. The certificate is DER; the chain leads from it (exclusive) to its root.
 * `signer` signs to-be-signed bytes; nothing else may be given to it, and only after an intent (I2).
 */
export interface CertificateAuthority {
  /** SHA-256 of the SPKI, lower-case hex: the issuer's name in topics, records and heads. */
  readonly id: string;
  readonly certificate: Uint8Array;
  readonly chain: readonly Uint8Array[];
  readonly signer: Signer;
}

/** Who is at the other end of a broker session. */
export type PeerIdentity =
  | {
      readonly type: "operational";
      readonly device: string;
      /** Undefined where an external broker took the certificate, and only tells whose it was. */
      readonly certificateSha256: string | undefined;
    }
  | {
      readonly type: "bootstrap";
      readonly clientId: string;
      /** A verified claim, or the birth or expired operational certificate presented. */
      readonly by:
        | { readonly type: "claim"; readonly claimId: string }
        | { readonly type: "certificate"; readonly certificateSha256: string };
    };

/** How a device message came: over a session of its own, or in a bundle that an operator brought. */
export type MessageSource =
  | PeerIdentity
  | {
      readonly type: "courier";
      /** `operator:alice`, for the audit. */
      readonly operator: string;
      /** The claim whose key signed the message; only of enrolments. */
      readonly claimId?: string;
    };

/**
 * What the broker asks of the controller. Decisions come from the store at every CONNECT, never from TLS alone.
 *
 * - `authenticateOperational`: raw DER leaf and intermediates as presented, plus the client id of the CONNECT.
 *   Resolves the identity, or throws a FleetError saying why not.
 * - `authenticateBootstrap`: client id with either a claim's id and secret, or the DER chain presented.
 * - `receive`: one publish of an authenticated session on its own `up/` topic. Never throws for bad input; resolves when
 *   what must be durable is durable. Replies go through the outbox.
 * - `sessionChanged`: presence, for inventory; the session with the same device may exist twice during a takeover.
 */
export interface BrokerEvents {
  authenticateOperational(peer: {
    readonly chain: readonly Uint8Array[];
    readonly clientId: string;
  }): Promise<PeerIdentity>;
  authenticateBootstrap(peer: {
    readonly chain: readonly Uint8Array[];
    readonly clientId: string;
    readonly username: string | undefined;
    readonly password: Uint8Array | undefined;
  }): Promise<PeerIdentity>;
  receive(message: {
    readonly topic: string;
    readonly payload: Uint8Array;
    readonly peer: PeerIdentity;
  }): Promise<void>;
  sessionChanged(change: SessionChange): Promise<void>;
}

/** A session began or ended. */
export interface SessionChange {
  readonly peer: PeerIdentity;
  readonly connected: boolean;
  /** It is only concluded, from messages before or silence since: nothing was heard of the device now. */
  readonly isConcluded?: boolean;
}

/** The broker as the controller uses it. */
export interface Broker {
  /** Hands a message over to subscribers and, when retained, to later ones. An empty retained payload clears the topic. */
  publish(message: { readonly topic: string; readonly payload: Uint8Array; readonly retain: boolean }): Promise<void>;
  /** Drops live sessions of a device, or only those authenticated by one certificate; resolves with how many. */
  dropSessions(device: string, certificateSha256?: string): Promise<number>;
  /** New sessions use the new certificate; live ones stay. `tlsKey` is PEM or a handle of the key provider. */
  replaceCertificate(certificate: { readonly chain: readonly Uint8Array[]; readonly tlsKey: string }): Promise<void>;
  close(): Promise<void>;
}

/** The command key for each use that is valid now; throws `time-unknown` when none is. */
export interface CommandSigners {
  /** `issuer` is whom a head speaks for. */
  signerFor(use: "messages" | "heads" | "time", now: Instant, issuer?: string): Signer;
}

/** Something a person should see: counted, logged, later an alert. */
export interface Notices {
  raise(notice: {
    readonly name: string;
    readonly device?: string;
    readonly details: Readonly<Record<string, string>>;
  }): void;
}

/** A named point where a test may kill the process; does nothing in production. */
export type Failpoint = (name: FailpointName) => Promise<void>;

/**
 * Counters that must not go back even when an older database is put in place: they live outside of it.
 *
 * `read` gives the highest value ever raised to, 0 when there is none. `raise` is durable when it resolves and never
 * lowers: a lower value changes nothing. Throws `store-failed`.
 */
export interface CounterAnchor {
  read(counter: string): Promise<number>;
  raise(counter: string, value: number): Promise<void>;
}

/**
 * The newest list of each shard, kept outside the database: an older database put back must not forget what was revoked
 * (I3). `save` is durable when it resolves and replaces the shard's list before it; `list` gives those saved last.
 */
export interface ListArchive {
  save(list: { readonly issuer: string; readonly shard: number; readonly der: Uint8Array }): Promise<void>;
  list(issuer: string): Promise<readonly { readonly shard: number; readonly der: Uint8Array }[]>;
}

/** Makes what turns one list into another; whoever has the base and the patch has the target, octet for octet. */
export interface ListPatcher {
  make(base: Uint8Array, target: Uint8Array): Promise<Uint8Array>;
}

/** Puts what the controller says into signed envelopes, by the command key of the kind. */
export interface MessageSealer {
  readonly fleet: string;
  /** Era of the current trust bundle; every growing number is ordered as (era, value). */
  readonly era: number;
  seal(letter: {
    /** Device id, or `fleet`. */
    readonly recipient: string;
    readonly body: Body;
    readonly inReplyTo?: string | undefined;
    readonly validFor: Duration;
  }): Promise<{ readonly envelope: Uint8Array; readonly payload: Uint8Array }>;
}

/** A device message that has passed intake: signature, standing, duplicates and sequence are judged already. */
export interface DeviceMessage<B extends Body = Body> {
  readonly device: string;
  readonly message: Message & { readonly body: B };
  readonly peer: MessageSource;
  /** SHA-256 of the SPKI that signed it, lower-case hex. */
  readonly signer: string;
  /** The identity certificate of the signer; undefined while there is none. */
  readonly certificate: CertificateRecord | undefined;
}

/**
 * Carries out one kind of device message. It calls `reply` exactly once, inside the transaction that makes the effect
 * durable, so that effect and answer stand or fall together (I4). Throws a FleetError to refuse; then nothing changed.
 */
export type MessageHandler = (
  received: DeviceMessage,
  reply: (tx: Transaction, body: Body) => Promise<void>,
) => Promise<void>;

/** The handler of each kind a device may send. */
export type MessageHandlers = Readonly<Partial<Record<UpKind, MessageHandler>>>;

/** A bundle of device messages that an operator brought; its parts are those its manifest names. */
export interface CarriedBundle {
  /** SignedEnvelope of the manifest. */
  readonly manifest: Uint8Array;
  /** SignedEnvelopes, in order. */
  readonly messages: readonly Uint8Array[];
  /** `operator:alice`. */
  readonly operator: string;
}

/** What became of one message of a bundle. */
export interface CarriedAnswer {
  readonly asked: UpKind;
  readonly inReplyTo: string;
  readonly body: Body;
}

/** What became of a bundle. */
export interface CarriedOutcome {
  readonly manifest: Message & { readonly body: BodyOf<"courier-request"> };
  /** It was exchanged before; every message got the answer it had got then. */
  readonly isRepeated: boolean;
  readonly answers: readonly CarriedAnswer[];
}

/**
 * Takes a bundle as intake takes messages: the same rules, handlers and answers. The bundle is refused as a whole, and nothing
 * changes, unless its manifest is signed by keys of its device and every message in it is of that device. What becomes of each
 * message is in its answer.
 *
 * Throws `message-invalid`, `signature-invalid`, `signer-not-allowed`, `bundle-foreign`, `bundle-stale` or `message-replayed`.
 */
export interface BundleIntake {
  receiveBundle(bundle: CarriedBundle): Promise<CarriedOutcome>;
}

/** What every duty may be given. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly notices: Notices;
  readonly failpoint: Failpoint;
}
