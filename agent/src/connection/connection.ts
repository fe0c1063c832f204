import type { Body, BodyOf, Message } from "@fleetcert/proto";
import { type Duration, FleetError, isFleetError } from "@fleetcert/shared";
import type { BackoffSettings } from "../pace/backoff.ts";
import type { AskOptions, Conversation, Credential, FleetTopics } from "../ports.ts";
import { knockAgainAfter } from "./knock-again.ts";
import { LiveSession, type SessionContext } from "./live-session.ts";

/** How fast a connection is tried again. */
export interface ConnectionSettings {
  readonly backoff: BackoffSettings;
  /** The pace while the controller turns this device away. */
  readonly turnedAway: BackoffSettings;
  /** How long the controller may take to confirm a proof. */
  readonly provePatience: Duration;
}

/**
 * Learns on another way why a credential was turned away. Resolves with whether something stands against it; with false also
 * when nobody could be asked, so that the door is knocked at again. Rejects only when the signal aborts, or with what makes the
 * agent useless.
 */
export type AskWhy = (credential: Credential, signal: AbortSignal) => Promise<boolean>;

/** What a person wants to know of the connection. */
export interface ConnectionStatus {
  readonly state: "connected" | "connecting" | "proving" | "unenrolled";
  /** Code of what ended the last session or try; empty while connected. */
  readonly lastError: string;
}

/**
 * Keeps one operational session with the credential in use: reconnects with full jitter, steps aside while another credential is
 * proven, and comes back with the old one when that fails.
 */
export class Connection implements Conversation, FleetTopics {
  readonly #context: SessionContext;
  readonly #settings: ConnectionSettings;
  readonly #askWhy: AskWhy;
  readonly #filters = new Set<string>();
  #credential: Credential | undefined;
  #live: LiveSession | undefined;
  /** The session begun last, which may not be live yet. */
  #begun: LiveSession | undefined;
  #isProving = false;
  /** The last try was refused: not by the network, but by who we are. */
  #isTurnedAway = false;
  #lastError = "";
  #attempt = new AbortController();
  #changed = Promise.withResolvers<void>();

  constructor(context: SessionContext, settings: ConnectionSettings, askWhy: AskWhy) {
    this.#context = context;
    this.#settings = settings;
    this.#askWhy = askWhy;
  }

  get status(): ConnectionStatus {
    const lastError = this.#lastError;
    if (this.#isProving) return { state: "proving", lastError };
    if (this.#live !== undefined) return { state: "connected", lastError };
    return { state: this.#credential === undefined ? "unenrolled" : "connecting", lastError };
  }

  /** Whether a session is live. */
  get isLive(): boolean {
    return this.#live !== undefined;
  }

  /** The credential to connect with from now on; a session with another one goes on until it ends. */
  use(credential: Credential): void {
    this.#credential = credential;
    this.#isTurnedAway = false;
    this.#wake();
  }

  /** Ends the session and opens no other. */
  disuse(): void {
    this.#credential = undefined;
    this.#attempt.abort();
    this.#live?.close().catch(() => undefined);
  }

  /** Keeps a session alive until the signal ends it. Never rejects for what the network does. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    const { clock } = this.#context.surroundings;
    /** Since when there has been no session that lasted. */
    let awaySince: Duration | undefined;
    while (!signal.aborted) {
      if (this.#isProving || this.#credential === undefined) {
        await this.#changed.promise;
        continue;
      }
      const live = this.#live ?? (await this.#comeIn(this.#credential, signal));
      const lived = live === undefined ? 0 : await this.#outlive(live, signal);
      if (this.#isProving || this.#live !== undefined || signal.aborted) continue;
      if (awaySince === undefined || lived >= settledAfter) awaySince = clock.monotonic();
      const pace = this.#isTurnedAway ? this.#settings.turnedAway : this.#settings.backoff;
      const until = AbortSignal.any([signal, this.#attempt.signal]);
      await this.#pause(pace, awaySince, until).catch(() => undefined);
    }
    await this.#live?.close();
  }

  ask(body: Body, options: AskOptions): Promise<Message> {
    return this.#requireLive().then((live) => live.dialogue.ask(body, options));
  }

  tell(body: Body, options: Pick<AskOptions, "signer">): Promise<void> {
    return this.#requireLive().then((live) => live.dialogue.tell(body, options));
  }

  /** The proof of another slot, signed by the identity over the live session; resolves with the grace of what it replaces. */
  async confirm(
    activated: BodyOf<"activated">,
    options: Pick<AskOptions, "signer" | "signal">,
  ): Promise<Pick<BodyOf<"confirmed">, "grace">> {
    const answer = await this.ask(activated, { ...options, patience: this.#settings.provePatience });
    return requireConfirmed(answer.body, activated);
  }

  async subscribe(filters: readonly string[]): Promise<void> {
    await (await this.#requireBegun()).subscribe(filters);
    for (const filter of filters) this.#filters.add(filter);
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    for (const filter of filters) this.#filters.delete(filter);
    await (await this.#requireBegun()).unsubscribe(filters);
  }

  /**
   * Proof in use: a session of its own with the new credential takes over the client id, and the controller confirms over it. On
   * success it is the live session; otherwise it is closed and the old credential connects again. A first credential has no other
   * to come back with: while nobody can be reached, it knocks on for as long as a proof may take. Rejects as
   * {@link LiveSession.open} and {@link Conversation.ask} do, with `denied` when the proof was refused.
   */
  async prove(
    credential: Credential,
    activated: BodyOf<"activated">,
    signal: AbortSignal,
  ): Promise<BodyOf<"confirmed">> {
    this.#isProving = true;
    this.#attempt.abort();
    const since = this.#context.surroundings.clock.monotonic();
    try {
      for (;;) {
        try {
          return await this.#proveOnce(credential, activated, signal);
        } catch (error) {
          if (!this.#mayKnockOn(error, since)) throw error;
          await this.#pause(this.#settings.backoff, since, signal);
        }
      }
    } finally {
      this.#isProving = false;
      this.#wake();
    }
  }

  async #proveOnce(
    credential: Credential,
    activated: BodyOf<"activated">,
    signal: AbortSignal,
  ): Promise<BodyOf<"confirmed">> {
    const proving = await this.#open(credential, signal);
    try {
      const { provePatience } = this.#settings;
      const answer = await proving.dialogue.ask(activated, { signer: credential.key, patience: provePatience, signal });
      const confirmed = requireConfirmed(answer.body, activated);
      await this.#live?.close();
      this.#credential = credential;
      this.#adopt(proving);
      return confirmed;
    } catch (error) {
      await proving.close();
      throw error;
    }
  }

  #mayKnockOn(error: unknown, since: Duration): boolean {
    const elapsed = this.#context.surroundings.clock.monotonic() - since;
    return this.#credential === undefined && isFleetError(error, "offline") && elapsed < this.#settings.provePatience;
  }

  /** Who was turned away asks first, and knocks only when nothing stands against it any more. */
  async #comeIn(credential: Credential, signal: AbortSignal): Promise<LiveSession | undefined> {
    this.#attempt = new AbortController();
    const until = AbortSignal.any([signal, this.#attempt.signal]);
    const hasAsked = this.#isTurnedAway;
    try {
      if (hasAsked && (await this.#askWhy(credential, until))) return undefined;
      const live = await this.#connect(credential, until);
      if (this.#isTurnedAway && !hasAsked) await this.#askWhy(credential, until);
      return live;
    } catch (error) {
      if (until.aborted) return undefined;
      throw error;
    }
  }

  /** A live session, or undefined when there is none: it failed, or stepped aside for a proof. */
  async #connect(credential: Credential, until: AbortSignal): Promise<LiveSession | undefined> {
    try {
      const live = await this.#open(credential, until);
      if (until.aborted) {
        await live.close();
        return undefined;
      }
      this.#adopt(live);
      return live;
    } catch (error) {
      if (!until.aborted) this.#fell(error);
      return undefined;
    }
  }

  #open(credential: Credential, signal: AbortSignal): Promise<LiveSession> {
    const begun = (live: LiveSession) => {
      this.#begun = live;
    };
    return LiveSession.open(credential, this.#context, { filters: [...this.#filters], signal, begun });
  }

  #adopt(live: LiveSession): void {
    this.#live = live;
    this.#isTurnedAway = false;
    this.#lastError = "";
    this.#context.surroundings.log.info({ generation: live.credential.generation }, "connected");
    live.release();
  }

  /** How long the session went on from here; it is no longer the live one afterwards, unless a proof replaced it. */
  async #outlive(live: LiveSession, signal: AbortSignal): Promise<Duration> {
    const { clock } = this.#context.surroundings;
    const since = clock.monotonic();
    const close = () => void live.close();
    signal.addEventListener("abort", close, { once: true });
    const cause = await live.ended;
    signal.removeEventListener("abort", close);
    if (this.#live === live) {
      this.#live = undefined;
      if (!this.#isProving && !signal.aborted) this.#fell(cause);
    }
    return clock.monotonic() - since;
  }

  #fell(cause: unknown): void {
    this.#lastError = cause instanceof FleetError ? cause.code : "offline";
    this.#isTurnedAway = this.#lastError === "denied";
    this.#context.surroundings.log.warn({ error: cause, code: this.#lastError }, "not connected");
  }

  async #pause(pace: BackoffSettings, since: Duration, signal: AbortSignal): Promise<void> {
    const { clock, random, timer } = this.#context.surroundings;
    const elapsed = clock.monotonic() - since;
    await timer.sleep(knockAgainAfter(pace, { elapsed, jitter: random.fraction() }), signal);
  }

  async #requireLive(): Promise<LiveSession> {
    return this.#live ?? offline();
  }

  async #requireBegun(): Promise<LiveSession> {
    return this.#begun ?? offline();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

function offline(): never {
  throw new FleetError("offline", "there is no session with the controller", { retry: true });
}

function requireConfirmed(body: Body, activated: BodyOf<"activated">): BodyOf<"confirmed"> {
  if (body.type === "refused") {
    throw new FleetError("denied", `the controller refused the proof: ${body.code} ${body.message}`, { retry: true });
  }
  const isSame =
    body.type === "confirmed" &&
    body.slot === activated.slot &&
    body.generation === activated.generation &&
    Buffer.compare(body.certificateSha256, activated.certificateSha256) === 0;
  if (isSame) return body;
  throw new FleetError("message-invalid", `the controller answered the proof with ${body.type} of something else`);
}

/** A session that lived this long was a good one; the next pause begins small again. */
const settledAfter: Duration = 30_000;
