import type { Body, DesiredState, Message, Topic, TpmEvidence, TrustBundle } from "@fleetcert/proto";
import type {
  Clock,
  Duration,
  Instant,
  KeyAlgorithm,
  KeyEvidence,
  KeyProvider,
  KeySummary,
  MadeCredential,
  PcrSelection,
  ProviderKey,
  QuoteEvidence,
} from "@fleetcert/shared";

/** Randomness; only adapters implement it. */
export interface RandomSource {
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1), for jitter only. */
  fraction(): number;
}

/** Waiting; only adapters implement it, tests use a manual one. Rejects with the signal's reason when aborted. */
export interface Timer {
  sleep(duration: Duration, signal: AbortSignal): Promise<void>;
}

/** The agent's small durable memory (level). What `write` took is on the disk when it resolves, all or nothing. */
export interface StateStore {
  read(key: string): Promise<Uint8Array | undefined>;
  /** Applies puts and deletes atomically, fsynced. */
  write(changes: readonly StateChange[]): Promise<void>;
  /** Keys with the prefix in order, at most `limit`. */
  keys(prefix: string, limit: number): Promise<string[]>;
}

/** One change of what is kept by name. */
export type StateChange = { readonly put: string; readonly value: Uint8Array } | { readonly delete: string };

/**
 * The key stores of the agent as one. `generate` makes the key in the named store, `open` and `destroy` find it by its reference,
 * `list` shows the keys of every store that can be reached now; with `missing`, it tries to reach every store that may hold keys of
 * this device, tells `missing` why one cannot be, and goes on.
 */
export interface AgentKeys extends KeyProvider {
  generate(request: {
    readonly algorithm: KeyAlgorithm;
    readonly label: string;
    readonly store?: string | undefined;
  }): Promise<ProviderKey>;
  list(labelPrefix: string, options?: { readonly missing: (error: unknown) => void }): Promise<KeySummary[]>;
}

/** A credential in use: a key of the provider with its certificate and chain (DER, issuing CA first). */
export interface Credential {
  readonly key: ProviderKey;
  readonly certificate: Uint8Array;
  readonly chain: readonly Uint8Array[];
  readonly generation: number;
}

/**
 * A key store that can prove where its keys are: a TPM.
 *
 * - `identify` says who the TPM is; the same until its owner clears it.
 * - `activate` reads what a credential for this TPM holds; rejects with `token-error` for any other.
 * - `certifyKey` has the TPM say over `qualifyingData` that a key of the store was made in it. Rejects with `key-not-found`.
 * - `quote` has it state PCRs over `qualifyingData`.
 */
export interface KeyAttestor {
  identify(): Promise<TpmEvidence["tpm"]>;
  activate(credential: MadeCredential): Promise<Uint8Array>;
  certifyKey(ref: string, qualifyingData: Uint8Array): Promise<KeyEvidence>;
  quote(pcrs: readonly PcrSelection[], qualifyingData: Uint8Array): Promise<QuoteEvidence>;
}

/** Where and as whom to open an MQTT session. */
export type SessionRequest =
  | {
      readonly type: "operational";
      readonly host: string;
      readonly port: number;
      readonly device: string;
      readonly credential: Credential;
    }
  | {
      readonly type: "bootstrap";
      readonly host: string;
      readonly port: number;
      readonly clientId: string;
      readonly claim?: { readonly id: string; readonly secret: Uint8Array };
      /** An expired operational credential that authenticates instead of a claim. */
      readonly credential?: Credential;
    };

/** One live MQTT session. It never reconnects by itself; `closed` settles once and for all. */
export interface Session {
  /** QoS 1; resolves at PUBACK, rejects with `offline` when the session ends before. */
  publish(topic: string, payload: Uint8Array): Promise<void>;
  /** Resolves at SUBACK; `denied` when the broker refuses the filter. */
  subscribe(filters: readonly string[]): Promise<void>;
  unsubscribe(filters: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** What a session's owner is told; handlers must not throw. */
export interface SessionEvents {
  message(topic: string, payload: Uint8Array): void;
  closed(cause: unknown): void;
}

/**
 * Opens MQTT sessions with handlers attached before CONNECT, so that no message is missed. `verifyServer` sees the
 * server's raw DER chain before a single octet of MQTT is sent; when it throws, the socket is closed and nothing secret has
 * left. `open` resolves at CONNACK, rejects with `offline`, `timeout`, `denied` (CONNACK refused) or what `verifyServer` threw.
 */
export interface Link {
  open(
    request: SessionRequest,
    options: {
      readonly verifyServer: (chain: readonly Uint8Array[]) => void;
      readonly events: SessionEvents;
      readonly signal: AbortSignal;
    },
  ): Promise<Session>;
}

/**
 * The conversation with the controller over whatever session is live: signs with the given key, numbers, sends, and
 * matches answers.
 *
 * - `ask` publishes the body and repeats it until an answer to any of the repetitions arrives; each repetition is a message of
 *   its own (new id, new sequence, same body), because the same id with another sequence would be a replay. Resolves with the
 *   verified answer, `refused` included; rejects with `timeout` after `patience`, or `offline` when there is no session or it
 *   ends.
 * - `tell` publishes once; resolves at PUBACK.
 */
export interface Conversation {
  ask(body: Body, options: AskOptions): Promise<Message>;
  tell(body: Body, options: { readonly signer: ProviderKey }): Promise<void>;
}

/** Who signs a question, and how long its answer is waited for. */
export interface AskOptions {
  readonly signer: ProviderKey;
  readonly patience: Duration;
  readonly signal: AbortSignal;
}

/**
 * The fleet topics a duty follows on whatever operational session is live. What was subscribed is subscribed again on the
 * next session. Both reject with `offline` without a session; `subscribe` with `denied` when the broker refuses.
 */
export interface FleetTopics {
  subscribe(filters: readonly string[]): Promise<void>;
  unsubscribe(filters: readonly string[]): Promise<void>;
}

/**
 * What comes in on the operational session without being an answer. Handlers are called one after the other in order of
 * arrival and waited for; one that throws is logged and forgotten.
 */
export interface Incoming {
  /** A new operational session is live, its time anchored and its subscriptions made. */
  connected(session: { readonly credential: Credential }): Promise<void>;
  /** Bytes of a fleet topic (trust, heads, parts), not verified: their own envelope or hash carries the trust. */
  fleet(topic: Topic, payload: Uint8Array): Promise<void>;
  /** The time is known again within a session: a new era had forgotten it. */
  anchored(): void;
  /** A verified desired state, newer by (era, version) than any before it. */
  desired(desired: DesiredState): Promise<void>;
  /** A verified message of the controller that answers nothing asked here: a question, or an answer that came too late. */
  unasked(message: Message): Promise<void>;
}

/**
 * The newest trust bundle accepted.
 *
 * - `current` is undefined before enrolment.
 * - `accept` takes one envelope, checks it against what is trusted, makes it durable and returns the bundle in force: an older
 *   or equal one changes nothing and throws nothing. Throws `trust-invalid`.
 */
export interface TrustKeeper {
  current(): TrustBundle | undefined;
  accept(envelope: Uint8Array): Promise<TrustBundle>;
}

/**
 * What the agent knows of the present. `accept` raises the floor durably; a token anchors this process, whatever its
 * distance to the wall clock; `maxAge` is how long it may have been under way, by courier. The floor never falls.
 */
export interface TimeKeeper {
  estimate(): TimeEstimate;
  accept(signedTime: Instant, evidence: "token" | "message" | "issuance", maxAge?: Duration): Promise<void>;
  floor(): Instant;
}

/** Files that people and local software read. `write` replaces the named file as a whole or not at all, also across a power cut. */
export interface OutputFiles {
  write(name: string, content: string): Promise<void>;
}

/**
 * A place where other software of this host reads revocation lists.
 *
 * - `replace` puts a PEM of lists there, as a whole or not at all, also across a power cut; the same again is fine.
 * - `reload` tells the reader; resolves when it has said that it is done. Bounded in time; rejects with `hook-failed` or `timeout`.
 */
export interface ListOutput {
  /** For logs and events. */
  readonly name: string;
  replace(pem: string): Promise<void>;
  reload(signal: AbortSignal): Promise<void>;
}

/**
 * Turns the list held into the newer one by a patch that is not trusted: what comes out is verified by who asks. Takes no more
 * memory than `length`, the signed length of the result, and the base ask for. Throws `revocation-invalid`.
 */
export interface ListPatches {
  apply(step: { readonly base: Uint8Array; readonly patch: Uint8Array; readonly length: number }): Promise<Uint8Array>;
}

/** Structured log of events, not prose. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, event: string): void;
  warn(fields: Readonly<Record<string, unknown>>, event: string): void;
  error(fields: Readonly<Record<string, unknown>>, event: string): void;
}

/** A named point where a test may kill the process; does nothing in production. */
export type Failpoint = (name: string) => Promise<void>;

/** What every duty may be given. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly timer: Timer;
  readonly log: Log;
  readonly failpoint: Failpoint;
}

/** The estimated present and how well it is known (DESIGN.md section 6, Time). */
export interface TimeEstimate {
  readonly at: Instant;
  /** `anchored`: a signed controller time was seen in this process; `unverified`: only the wall clock; `unknown`: the wall clock is below the floor. */
  readonly status: "anchored" | "unverified" | "unknown";
}
