import { deviceSubscriptions, formatTopic, parseTopic, type Topic } from "@fleetcert/proto";
import { FleetError, isFleetError } from "@fleetcert/shared";
import { openControllerMessage } from "../controller-message.ts";
import { Dialogue } from "../conversation/dialogue.ts";
import type { Credential, Incoming, Link, Session, Surroundings, TimeKeeper, TrustKeeper } from "../ports.ts";
import { type KnowsRevoked, ServerCheck } from "../server/verify-server.ts";
import type { DesiredKeeper } from "./desired-keeper.ts";
import { Inbox } from "./inbox.ts";
import type { SequenceBlocks } from "./sequence-blocks.ts";

/** What every session of one device is opened with. */
export interface SessionContext {
  readonly device: string;
  readonly broker: { readonly host: string; readonly port: number };
  readonly link: Link;
  readonly trust: TrustKeeper;
  readonly time: TimeKeeper;
  readonly sequences: SequenceBlocks;
  readonly desired: DesiredKeeper;
  readonly incoming: Incoming;
  readonly isRevoked: KnowsRevoked;
  readonly surroundings: Surroundings;
}

/** How one session is opened. */
export interface OpenOptions {
  /** Subscribed besides the standing ones. */
  readonly filters: readonly string[];
  readonly signal: AbortSignal;
  /** Told at CONNACK, before the time is anchored: what trust has to fetch may be subscribed from here on. */
  readonly begun: (live: LiveSession) => void;
}

/** One operational session: authenticated, its time anchored, its standing subscriptions made. */
export class LiveSession {
  readonly credential: Credential;
  readonly dialogue: Dialogue;
  /** Settles with the cause when the session is over. */
  readonly ended: Promise<unknown>;
  readonly #context: SessionContext;
  readonly #inbox: Inbox;
  readonly #end = Promise.withResolvers<unknown>();
  #session: Session | undefined;
  #askTimeAgain: (() => void) | undefined;

  private constructor(credential: Credential, context: SessionContext) {
    this.credential = credential;
    this.#context = context;
    this.#inbox = new Inbox(context.surroundings.log);
    this.ended = this.#end.promise;
    const { device, time, surroundings, sequences } = context;
    this.dialogue = new Dialogue({
      fleet: requireTrust(context).fleet,
      device,
      time,
      surroundings,
      topicOf: (kind) => formatTopic({ type: "up", device, kind }),
      open: (bytes) => openControllerMessage(bytes, { bundle: requireTrust(context), recipient: device }),
      number: async () => ({ generation: credential.generation, stream: "mqtt", counter: await sequences.next() }),
      challengeSigner: credential.key,
    });
  }

  /**
   * Opens a session with a credential. Rejects as {@link Link.open} does, with `path-invalid` when the server's dates do not hold
   * at the signed time, with `trust-invalid` without a trust bundle.
   */
  static async open(
    credential: Credential,
    context: SessionContext,
    { filters, signal, begun }: OpenOptions,
  ): Promise<LiveSession> {
    const live = new LiveSession(credential, context);
    const { host, port } = context.broker;
    const check = new ServerCheck(host, { bundle: requireTrust(context) }, context.isRevoked);
    const session = await context.link.open(
      { type: "operational", host, port, device: context.device, credential },
      {
        verifyServer: (chain) => check.verify(chain, context.time.estimate()),
        events: {
          message: (topic, payload) => live.#receive(topic, payload),
          closed: (cause) => live.#close(cause),
        },
        signal,
      },
    );
    live.#session = session;
    live.dialogue.begin(session);
    begun(live);
    try {
      await session.subscribe([...deviceSubscriptions(context.device), ...filters]);
      const isFresh = context.time.estimate().status !== "anchored" || check.isDeferred;
      if (isFresh) await live.#anchorTime(check, signal);
      else live.#refreshTime(check, signal);
      live.#askTimeAgain = () => live.#refreshTime(check, signal);
    } catch (error) {
      await live.close();
      throw error;
    }
    return live;
  }

  /** Lets what came in pass on to its handlers, beginning with the news that this session is the live one. */
  release(): void {
    this.#inbox.release(() => this.#context.incoming.connected({ credential: this.credential }));
  }

  async subscribe(filters: readonly string[]): Promise<void> {
    await this.#session?.subscribe(filters);
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    await this.#session?.unsubscribe(filters);
  }

  async close(): Promise<void> {
    await this.#session?.close();
    this.#close(undefined);
  }

  /** The monotonic clock stands still while the machine sleeps, so every session asks for the time; only the first waits for it. */
  #refreshTime(check: ServerCheck, signal: AbortSignal): void {
    const wasAnchored = this.#context.time.estimate().status === "anchored";
    const asked = this.#anchorTime(check, signal).then(() => {
      if (!wasAnchored) this.#context.incoming.anchored();
    });
    asked.catch(async (error: unknown) => {
      this.#context.surroundings.log.warn({ error }, "time not refreshed");
      if (isFleetError(error, "path-invalid")) await this.close();
    });
  }

  /** A token is bound to our nonce, the message id. */
  async #anchorTime(check: ServerCheck, signal: AbortSignal): Promise<void> {
    const { time } = this.#context;
    const { key } = this.credential;
    const answer = await this.dialogue.ask({ type: "time-request" }, { signer: key, patience: anchorPatience, signal });
    const { body, inReplyTo } = answer;
    if (body.type === "refused")
      throw new FleetError("time-unknown", `the controller gave no time: ${body.code} ${body.message}`);
    if (body.type !== "time-token" || Buffer.from(body.nonce).toString("hex") !== inReplyTo) {
      throw new FleetError("message-replayed", "the time token does not carry the nonce that was sent");
    }
    check.verifyDates(body.now);
    await time.accept(body.now, "token");
  }

  #receive(topicText: string, payload: Uint8Array): void {
    const topic = parseTopic(topicText);
    if (topic === undefined) return;
    const { device } = this.#context;
    if (topic.type === "down" && topic.device === device) {
      const unsolicited = this.dialogue.receive(payload);
      if (unsolicited !== undefined) this.#put(() => this.#context.incoming.unasked(unsolicited), topic);
    } else if (topic.type === "desired" && topic.device === device) {
      this.#put(() => this.#takeDesired(payload), topic);
    } else if (isFleetTopic(topic)) {
      this.#put(() => this.#takeFleet(topic, payload), topic);
    }
  }

  async #takeFleet(topic: Topic, payload: Uint8Array): Promise<void> {
    const { incoming, time } = this.#context;
    const isKnown = () => time.estimate().status === "anchored";
    const wasKnown = isKnown();
    await incoming.fleet(topic, payload);
    // A bundle of a new era forgets every signed time of the one before; without one nothing is renewed.
    if (wasKnown && !isKnown()) this.#askTimeAgain?.();
  }

  #put(handle: () => Promise<void>, topic: Topic): void {
    const isTaken = this.#inbox.put(handle, { isTrust: topic.type === "trust" || topic.type === "trust-version" });
    if (!isTaken)
      this.#context.surroundings.log.warn({ topic: topic.type }, "incoming message dropped, too many waiting");
  }

  async #takeDesired(payload: Uint8Array): Promise<void> {
    const { device, time, desired, incoming } = this.#context;
    const bundle = requireTrust(this.#context);
    const { body, expiresAt } = openControllerMessage(payload, { bundle, recipient: device });
    if (body.type !== "desired") throw new FleetError("message-invalid", `a ${body.type} came on the desired topic`);
    const { at, status } = time.estimate();
    if (status === "anchored" && at > expiresAt)
      throw new FleetError("message-expired", "the desired state is past its expiry");
    // Only a root may open an era; a command key that names a later one oversteps.
    if (body.era > bundle.era)
      throw new FleetError("signer-not-allowed", `desired state of era ${body.era} in era ${bundle.era}`);
    const { type: _, ...state } = body;
    if (await desired.accept(state, payload)) await incoming.desired(state);
  }

  #close(cause: unknown): void {
    this.dialogue.end(cause);
    this.#end.resolve(cause);
  }
}

function isFleetTopic({ type }: Topic): boolean {
  return type !== "up" && type !== "down" && type !== "desired" && type !== "bootstrap-up" && type !== "bootstrap-down";
}

function requireTrust({ trust }: SessionContext) {
  const bundle = trust.current();
  if (bundle !== undefined) return bundle;
  throw new FleetError("trust-invalid", "there is no trust bundle yet; the device has not enrolled");
}

const anchorPatience = 30_000;
