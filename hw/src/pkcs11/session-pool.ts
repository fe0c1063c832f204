import { FleetError } from "@fleetcert/shared";
import type { Handle } from "./cryptoki.ts";
import { isOutOfSessions } from "./token-error.ts";

/**
 * Sessions for background calls. PKCS#11 allows one operation per session, so each call has one to itself; a token that has
 * fewer than we would use makes calls wait for the ones it has.
 */
export class SessionPool {
  readonly #open: () => Handle;
  readonly #closeSession: (session: Handle) => void;
  readonly #waiting: (() => void)[] = [];
  #idle: Handle[] = [];
  #busy = 0;
  #limit = maxSessions;
  #epoch = 0;
  #isClosed = false;
  #drained: () => void = () => undefined;

  constructor({ open, close }: { open: () => Handle; close: (session: Handle) => void }) {
    this.#open = open;
    this.#closeSession = close;
  }

  /** Whether a call is under way or waits for its turn. */
  get isBusy(): boolean {
    return this.#busy > 0;
  }

  /** Runs with a free session, waiting for one when all are in use. A session whose call failed is not used again. */
  async use<T>(run: (session: Handle) => Promise<T>): Promise<T> {
    for (;;) {
      await this.#takeTurn();
      try {
        return await this.#runInSession(run);
      } catch (error) {
        if (!isOutOfSessions(error) || this.#busy === 1) throw error;
        this.#limit = this.#busy - 1;
      } finally {
        this.#passTurn();
      }
    }
  }

  /** Closes what is idle; what is busy is closed when its call ends. For sessions that the token has lost. */
  discard(): void {
    this.#epoch++;
    for (const session of this.#idle) this.#closeSession(session);
    this.#idle = [];
  }

  /** Refuses new calls, lets the accepted ones end, then closes every session. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#busy > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    this.discard();
  }

  async #runInSession<T>(run: (session: Handle) => Promise<T>): Promise<T> {
    const epoch = this.#epoch;
    const session = this.#idle.pop() ?? this.#open();
    let isUsable = false;
    try {
      const result = await run(session);
      isUsable = epoch === this.#epoch;
      return result;
    } finally {
      if (isUsable) this.#idle.push(session);
      else this.#closeSession(session);
    }
  }

  async #takeTurn(): Promise<void> {
    if (this.#isClosed) throw new FleetError("key-store-unavailable", "the token is closed");
    if (this.#busy < this.#limit) {
      this.#busy++;
      return;
    }
    if (this.#waiting.length >= maxWaiting) {
      throw new FleetError("key-store-unavailable", `${maxWaiting} calls wait for the token already`, { retry: true });
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #passTurn(): void {
    const next = this.#busy > this.#limit ? undefined : this.#waiting.shift();
    if (next !== undefined) {
      next();
      return;
    }
    this.#busy--;
    if (this.#busy === 0) this.#drained();
  }
}

// As many as libuv has threads by default; more would only wait there.
const maxSessions = 4;
const maxWaiting = 4096;
