import type { QuoteRequest } from "@fleetcert/proto";
import { DeviceId, type Duration, type ProviderKey, quoteQualifyingData } from "@fleetcert/shared";
import type { Conversation, KeyAttestor, Log } from "../ports.ts";

/** What quotes are answered with. */
export interface QuoteTools {
  readonly device: string;
  readonly attestor: KeyAttestor;
  readonly conversation: Conversation;
  readonly log: Log;
}

/**
 * Answers the controller's question for PCRs, one question after the other. What fails is logged and forgotten: the
 * controller asks again when the device comes the next time.
 */
export class QuoteAnswers {
  readonly #tools: QuoteTools;
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(tools: QuoteTools) {
    this.#tools = tools;
  }

  /** Takes a question; `signer` is the key of the session it came over. */
  answer(request: QuoteRequest, signer: ProviderKey, signal: AbortSignal): void {
    const { log } = this.#tools;
    if (this.#waiting >= maxWaiting) {
      log.warn({ waiting: this.#waiting }, "quote not answered, too many asked");
      return;
    }
    this.#waiting += 1;
    this.#turn = this.#turn
      .then(() => this.#send(request, signer, signal))
      .catch((error: unknown) => log.warn({ error }, "quote not answered"))
      .then(() => {
        this.#waiting -= 1;
      });
  }

  async #send({ nonce, pcrs }: QuoteRequest, signer: ProviderKey, signal: AbortSignal): Promise<void> {
    const { device, attestor, conversation, log } = this.#tools;
    const qualifyingData = quoteQualifyingData({ device: DeviceId.parse(device), nonce });
    const { attest, signature, values } = await attestor.quote(pcrs, qualifyingData);
    const quote = { type: "quote", nonce, attest, signature, values: [...values] } as const;
    const { body } = await conversation.ask(quote, { signer, patience, signal });
    if (body.type === "refused") log.warn({ code: body.code, message: body.message }, "quote refused");
    else log.info({ pcrs: pcrs.length }, "quote answered");
  }
}

const maxWaiting = 4;
const patience: Duration = 60_000;
