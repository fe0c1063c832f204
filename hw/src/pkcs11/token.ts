import { setTimeout as sleep } from "node:timers/promises";
import { FleetError, isFleetError, type Secret, type SecretSource } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import { type Cryptoki, type Handle, reinitialise } from "./cryptoki.ts";
import { hasWrongPins, requireToken, type TokenFacts, type TokenSelector } from "./find-token.ts";
import { SessionPool } from "./session-pool.ts";
import { asking, isDisturbance, isSessionLost } from "./token-error.ts";
import { alreadyRefused, isLoggedIn, logIn, type PinMark, pinMark } from "./token-login.ts";

/**
 * A token this process is logged in to. Everybody in the process who opens the same token shares one of these, with its
 * login and sessions; the last one to release it closes them.
 *
 * Sessions that the token lost (reset, logout by another) are opened anew once per call; `generation` then grows, and
 * object handles of an earlier generation are void.
 */
export class Token {
  readonly cryptoki: Cryptoki;
  #facts: TokenFacts;
  #keeper: Handle | undefined;
  readonly #pool: SessionPool;
  #pin: SecretSource | undefined;
  #acceptedPin: PinMark | undefined;
  #users = 0;
  #generation = 0;

  private constructor(cryptoki: Cryptoki, facts: TokenFacts) {
    this.cryptoki = cryptoki;
    this.#facts = facts;
    this.#pool = new SessionPool({
      open: () => this.#openSession(),
      close: (session) => this.#closeSession(session),
    });
  }

  /**
   * Finds the token, logs in unless that was done, and counts the caller as a user until {@link Token.release}.
   *
   * SoftHSM2 2.6.1 loses sight of a token while another process logs in to it, and regains it only when the module is
   * initialised anew; so do modules that do not notice new hardware. That says nothing about the PIN, so it is tried
   * again, unless the token has seen a wrong one.
   */
  static async acquire(cryptoki: Cryptoki, selector: TokenSelector, pin: SecretSource): Promise<Token> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await Token.#acquireOnce(cryptoki, selector, pin);
      } catch (error) {
        const limit = isDisturbance(error) ? 8 : isFleetError(error, "key-store-unavailable") && error.retry ? 3 : 1;
        if (attempt >= limit) throw error;
        await sleep(attempt * 25 * (0.5 + Math.random()));
        if ((open.get(cryptoki)?.size ?? 0) === 0) reinitialise(cryptoki);
        if (hasWrongPins(cryptoki, selector)) throw error;
      }
    }
  }

  static async #acquireOnce(cryptoki: Cryptoki, selector: TokenSelector, pin: SecretSource): Promise<Token> {
    const facts = requireToken(cryptoki, selector);
    const exact = { token: facts.label, serial: facts.serial, slotId: facts.slotId };
    const tokens = open.get(cryptoki) ?? open.set(cryptoki, new Map()).get(cryptoki);
    const name = JSON.stringify(exact);
    const token = tokens?.get(name) ?? new Token(cryptoki, facts);
    tokens?.set(name, token);
    token.#users++;
    try {
      await token.#authenticate(pin);
    } catch (error) {
      await token.release();
      throw error;
    }
    return token;
  }

  get facts(): TokenFacts {
    return this.#facts;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Runs calls that finish before they return. TLS signs through this, so it never waits for another session. */
  runSync<T>(run: (session: Handle) => T): T {
    try {
      return run(this.#requireKeeper());
    } catch (error) {
      if (!isSessionLost(error)) throw error;
      this.#reopen(this.#generation);
      return run(this.#requireKeeper());
    }
  }

  /** Runs calls that go on in the background, with a session of their own. */
  async run<T>(run: (session: Handle) => Promise<T>): Promise<T> {
    this.#requireKeeper();
    const generation = this.#generation;
    try {
      return await this.#pool.use(run);
    } catch (error) {
      if (!isSessionLost(error)) throw error;
      await this.#reopenWaiting(generation);
      return await this.#pool.use(run);
    }
  }

  /** Gives up one use; the last one ends what is going on and closes the sessions, which logs out. */
  async release(): Promise<void> {
    this.#users--;
    if (this.#users > 0) return;
    for (const [name, token] of open.get(this.cryptoki) ?? []) {
      if (token === this) open.get(this.cryptoki)?.delete(name);
    }
    const keeper = this.#keeper;
    this.#keeper = undefined;
    await this.#pool.close();
    if (keeper !== undefined) this.#closeSession(keeper);
  }

  async #authenticate(source: SecretSource): Promise<void> {
    const pin = await source();
    this.#keeper ??= this.#openSession();
    if (this.#acceptedPin !== undefined) {
      if (this.#acceptedPin !== pinMark(pin)) throw alreadyRefused(this.#facts.label);
    } else {
      this.#logIn(pin);
    }
    this.#pin = source;
  }

  #logIn(pin: Secret): void {
    const session = this.#requireKeeper();
    if (asking("C_GetSessionInfo", () => isLoggedIn(this.cryptoki, session))) return;
    logIn(this.cryptoki, { session, pin, token: this.#facts });
    this.#acceptedPin = pinMark(pin);
  }

  async #reopenWaiting(lost: number): Promise<void> {
    if (lost !== this.#generation) return;
    const pin = await this.#pin?.();
    if (lost === this.#generation) this.#reopen(lost, pin);
  }

  /** TLS cannot wait for a PIN: when the source needs time, this call fails and the next one finds the token open. */
  #reopen(lost: number, givenPin?: Secret): void {
    const pin = givenPin ?? this.#pin?.();
    if (pin instanceof Promise) {
      this.#reopenWaiting(lost).catch(() => undefined);
      throw new FleetError(
        "token-error",
        `the session with token "${this.#facts.label}" was lost; it is being reopened`,
        {
          retry: true,
        },
      );
    }
    this.#facts = requireToken(this.cryptoki, { token: this.#facts.label, serial: this.#facts.serial });
    this.#pool.discard();
    if (this.#keeper !== undefined) this.#closeSession(this.#keeper);
    this.#keeper = this.#openSession();
    this.#generation++;
    if (pin !== undefined) this.#logIn(pin);
  }

  #openSession(): Handle {
    const flags = ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION;
    return asking("C_OpenSession", () => this.cryptoki.C_OpenSession(this.#facts.slot, flags));
  }

  #closeSession(session: Handle): void {
    try {
      this.cryptoki.C_CloseSession(session);
    } catch {
      // It is closed, or the token is gone: either way there is nothing left to close.
    }
  }

  #requireKeeper(): Handle {
    if (this.#keeper !== undefined) return this.#keeper;
    throw new FleetError("key-store-unavailable", `token "${this.#facts.label}" is closed`);
  }
}

const open = new WeakMap<Cryptoki, Map<string, Token>>();
