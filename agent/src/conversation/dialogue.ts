import {
  type Body,
  encodeMessage,
  kindOf,
  type Message,
  payloadTypes,
  type Sequence,
  signEnvelope,
  type UpKind,
} from "@fleetcert/proto";
import { type Duration, FleetError, type ProviderKey } from "@fleetcert/shared";
import type { AskOptions, Conversation, Session, Surroundings, TimeKeeper } from "../ports.ts";
import { formatMessageId } from "./message-id.ts";

/** What a dialogue signs, numbers, sends and believes with. */
export interface DialogueOptions {
  readonly fleet: string;
  readonly device: string;
  readonly time: TimeKeeper;
  readonly surroundings: Surroundings;
  readonly topicOf: (kind: UpKind) => string;
  /** Verifies an envelope of the controller; throws when it is not to be believed. */
  readonly open: (bytes: Uint8Array) => Message;
  /** The sequence of the next message; undefined where the stream has none. */
  readonly number: () => Promise<Sequence | undefined>;
  /** Signs the answer to a challenge; undefined where none is expected. */
  readonly challengeSigner: ProviderKey | undefined;
}

/**
 * The conversation on one session. It begins with the session and ends with it; what was asked and not answered by then rejects
 * with `offline`.
 */
export class Dialogue implements Conversation {
  readonly #options: DialogueOptions;
  /** Outstanding questions by every message id they were sent under. */
  readonly #questions = new Map<string, Question>();
  readonly #end = new AbortController();
  #session: Session | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: DialogueOptions) {
    this.#options = options;
  }

  begin(session: Session): void {
    this.#session = session;
  }

  end(cause: unknown): void {
    this.#end.abort(new FleetError("offline", "the session with the controller ended", { cause, retry: true }));
  }

  /**
   * Takes an envelope that came for this device. Returns the message when it answers nothing asked here; undefined when it was
   * an answer, a challenge, or not to be believed.
   */
  receive(payload: Uint8Array): Message | undefined {
    let message: Message;
    try {
      message = this.#options.open(payload);
    } catch (error) {
      this.#options.surroundings.log.warn({ error }, "message refused");
      return undefined;
    }
    if (message.body.type === "challenge") {
      this.#answerChallenge(message.body.nonce);
      return undefined;
    }
    const question = message.inReplyTo === undefined ? undefined : this.#questions.get(message.inReplyTo);
    if (question === undefined) return message;
    question.answer(message);
    return undefined;
  }

  async ask(body: Body, { signer, patience, signal }: AskOptions): Promise<Message> {
    if (this.#questions.size >= maxQuestions) {
      throw new FleetError("rate-limited", `${this.#questions.size} questions are waiting for an answer`, {
        retry: true,
      });
    }
    const { timer } = this.#options.surroundings;
    const done = new AbortController();
    const until = AbortSignal.any([signal, done.signal, this.#end.signal]);
    const answered = Promise.withResolvers<Message>();
    const question: Question = { answer: answered.resolve, again: () => undefined, ids: [] };
    const tooLate = timer.sleep(patience, until).then(() => {
      throw new FleetError("timeout", `the controller did not answer the ${kindOf(body.type)} in ${patience} ms`, {
        retry: true,
      });
    });
    try {
      return await Promise.race([answered.promise, tooLate, this.#repeat(question, { body, signer, until })]);
    } finally {
      done.abort();
      for (const id of question.ids) this.#questions.delete(id);
    }
  }

  async tell(body: Body, { signer }: { readonly signer: ProviderKey }): Promise<void> {
    await this.#send(body, signer, () => undefined);
  }

  /** Sends until the signal; every repetition is a message of its own, because the same id never travels with another sequence. */
  async #repeat(question: Question, { body, signer, until }: Repetition): Promise<never> {
    const { timer } = this.#options.surroundings;
    for (let interval = firstRepeatAfter; ; interval = Math.min(interval * 2, maxRepeatAfter)) {
      const again = new AbortController();
      question.again = () => again.abort();
      await this.#send(body, signer, (id) => {
        question.ids.push(id);
        this.#questions.set(id, question);
      });
      await timer.sleep(interval, AbortSignal.any([until, again.signal])).catch((error: unknown) => {
        if (until.aborted) throw error;
      });
    }
  }

  /** Numbering, signing and handing over go in turn, so that sequences leave in order; waiting for PUBACK does not. */
  async #send(body: Body, signer: ProviderKey, named: (messageId: string) => void): Promise<void> {
    const handedOver = this.#turn.then(() => this.#handOver(body, signer, named));
    this.#turn = handedOver.catch(() => undefined);
    const { acknowledged } = await handedOver;
    await acknowledged;
  }

  async #handOver(
    body: Body,
    signer: ProviderKey,
    named: (messageId: string) => void,
  ): Promise<{ acknowledged: Promise<void> }> {
    const { fleet, device, time, surroundings, number, topicOf } = this.#options;
    this.#end.signal.throwIfAborted();
    const sentAt = time.estimate().at;
    const messageId = formatMessageId(sentAt, surroundings.random.bytes(10));
    const payload = encodeMessage({
      fleet,
      direction: "device-to-controller",
      sender: device,
      recipient: "controller",
      messageId,
      inReplyTo: undefined,
      sentAt,
      expiresAt: sentAt + messageLifetime,
      sequence: await number(),
      traceparent: undefined,
      body,
    });
    const envelope = await signEnvelope(payloadTypes.message, payload, signer);
    const session = this.#requireSession();
    named(messageId);
    const acknowledged = session.publish(topicOf(kindOf(body.type) as UpKind), envelope);
    acknowledged.catch(() => undefined);
    return { acknowledged };
  }

  #requireSession(): Session {
    this.#end.signal.throwIfAborted();
    if (this.#session === undefined) throw new FleetError("offline", "the session has not begun", { retry: true });
    return this.#session;
  }

  /** After the challenge is answered our own counter is the expected one again; what waits is asked under new numbers. */
  #answerChallenge(nonce: Uint8Array): void {
    const { challengeSigner: signer, surroundings } = this.#options;
    if (signer === undefined) return;
    surroundings.log.warn({ questions: this.#questions.size }, "sequence challenged");
    this.tell({ type: "challenge-response", nonce }, { signer }).then(
      () => {
        for (const question of new Set(this.#questions.values())) question.again();
      },
      (error: unknown) => surroundings.log.warn({ error }, "challenge not answered"),
    );
  }
}

interface Question {
  readonly answer: (message: Message) => void;
  readonly ids: string[];
  again: () => void;
}

interface Repetition {
  readonly body: Body;
  readonly signer: ProviderKey;
  readonly until: AbortSignal;
}

const messageLifetime: Duration = 300_000;
const firstRepeatAfter: Duration = 5_000;
const maxRepeatAfter: Duration = 60_000;
const maxQuestions = 256;
