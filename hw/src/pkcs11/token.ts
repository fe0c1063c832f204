import { setTimeout as sleep } from "node:timers/promises";
import { type Duration, FleetError, isFleetError, type Secret, type SecretSource } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import { type Cryptoki, type Handle, reinitialise } from "./cryptoki.ts";
import { hasWrongPins, requireToken, type TokenFacts, type TokenSelector } from "./find-token.ts";
import { quirksOf } from "./module-quirks.ts";
import type { PinMemory } from "./pin-memory.ts";
import { ReopenPace } from "./reopen-pace.ts";
import { SessionPool } from "./session-pool.ts";
import { asking, isDisturbance, isSessionLost } from "./token-error.ts";
import { alreadyRefused, isLoggedIn, logIn, type PinMark, pinMark } from "./token-login.ts";

/** Where the user PIN of a token comes from and what is remembered of it. */
export interface TokenAccess {
  readonly pin: SecretSource;
  readonly memory: PinMemory;
  /** A person asked for this very login. */
  readonly isAttended: boolean;
}

/**
 * A token this process is logged in to. Everybody in the process who opens the same token shares one of these, with its
 * login and sessions; the last one to release it closes them.
 *
 * When the token was reset, pulled, or its module failed, it is opened anew, ever more slowly while that does not help:
 * until then calls fail with an error that may be retried. `generation` grows with every opening, and object handles of
 * an earlier one are void.
 */
export class Token {
  readonly cryptoki: Cryptoki;
  #facts: TokenFacts;
  #keeper: Handle | undefined;
  readonly #pool: SessionPool;
  readonly #pace = new ReopenPace();
  #access: TokenAccess | undefined;
  #acceptedPin: PinMark | undefined;
  #users = 0;
  #generation = 0;
  /** The key used last since the token was opened. */
  #loaded: string | undefined;
  #isMixedUp = false;
  #turn: Promise<unknown> = Promise.resolve();

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
  static async acquire(cryptoki: Cryptoki, selector: TokenSelector, access: TokenAccess): Promise<Token> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await Token.#acquireOnce(cryptoki, selector, access);
      } catch (error) {
        const limit = isDisturbance(error) ? 8 : isFleetError(error, "key-store-unavailable") && error.retry ? 3 : 1;
        if (attempt >= limit) throw error;
        await sleep(attempt * 25 * (0.5 + Math.random()));
        if (isUnused(cryptoki)) reinitialise(cryptoki);
        if (hasWrongPins(cryptoki, selector)) throw error;
      }
    }
  }

  static async #acquireOnce(cryptoki: Cryptoki, selector: TokenSelector, access: TokenAccess): Promise<Token> {
    const facts = requireToken(cryptoki, selector);
    const exact = { token: facts.label, serial: facts.serial, slotId: facts.slotId };
    const tokens = open.get(cryptoki) ?? open.set(cryptoki, new Map()).get(cryptoki);
    const name = JSON.stringify(exact);
    const token = tokens?.get(name) ?? new Token(cryptoki, facts);
    tokens?.set(name, token);
    token.#users++;
    try {
      await token.#authenticate(access);
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
    const keeper = this.#requireOpen();
    try {
      return run(keeper);
    } catch (error) {
      if (!this.#isLost(error)) throw error;
      this.#reopen(this.#generation);
      return run(this.#requireKeeper());
    }
  }

  /**
   * Runs calls that use a key and go on in the background, with a session of their own; waits a little for a token that
   * comes back. What a hanging token has not done in time is no longer waited for: `timeout`.
   */
  run<T>(
    run: (session: Handle) => Promise<T>,
    { key, patience = usualPatience }: { readonly key: string; readonly patience?: Duration },
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(tooLate(this.#facts.label, patience)), patience);
      timer.unref();
      this.#withRoomFor(key, () => this.#runReopening(run))
        .finally(() => clearTimeout(timer))
        .then(resolve, reject);
    });
  }

  /** Runs calls that destroy objects. */
  async runDestroying(run: (session: Handle) => void): Promise<void> {
    await this.#withRoomFor("", async () => {
      this.runSync(run);
      if (!quirksOf(this.cryptoki).mixesUpAfterDestroying || !this.#isAlone()) return;
      this.#isMixedUp = true;
      await this.#reopenWaiting(this.#generation);
    });
  }

  /** To be called before a key is used by {@link runSync}; throws as opening anew does. */
  makeRoomFor(key: string): void {
    if (this.#takesRoom(key)) this.#reopen(this.#generation);
    this.#loaded = key;
  }

  /** Where keys stay loaded one call goes after the other, so that there is a moment to open the token anew before each. */
  #withRoomFor<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (!quirksOf(this.cryptoki).keepsKeysLoaded) return work();
    const turn = this.#turn.then(async () => {
      if (this.#takesRoom(key)) await this.#reopenWaiting(this.#generation);
      this.#loaded = key;
      return await work();
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #takesRoom(key: string): boolean {
    const isAnother = this.#loaded !== undefined && this.#loaded !== key;
    return isAnother && quirksOf(this.cryptoki).keepsKeysLoaded && !this.#pool.isBusy;
  }

  async #runReopening<T>(run: (session: Handle) => Promise<T>): Promise<T> {
    if (this.#pace.isWaiting) await this.#reopenPatiently(this.#generation);
    this.#requireKeeper();
    const generation = this.#generation;
    try {
      return await this.#pool.use(run);
    } catch (error) {
      if (!this.#isLost(error)) throw error;
      await this.#reopenPatiently(generation);
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

  async #authenticate(access: TokenAccess): Promise<void> {
    const pin = await access.pin();
    this.#keeper ??= this.#openSession();
    if (this.#acceptedPin !== undefined) {
      if (this.#acceptedPin !== pinMark(pin)) throw alreadyRefused(this.#facts.label);
    } else {
      this.#logIn(pin, access);
    }
    this.#access = { ...access, isAttended: false };
  }

  #logIn(pin: Secret, { memory, isAttended }: TokenAccess): void {
    const session = this.#requireKeeper();
    if (asking("C_GetSessionInfo", () => isLoggedIn(this.cryptoki, session))) return;
    logIn(this.cryptoki, { session, token: this.#facts }, { pin, memory, isAttended });
    this.#acceptedPin = pinMark(pin);
  }

  #isLost(error: unknown): boolean {
    return this.#users > 0 && isSessionLost(error);
  }

  async #reopenPatiently(lost: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#pace.require(this.#facts.label);
      try {
        await this.#reopenWaiting(lost);
        return;
      } catch (error) {
        const isPassing = error instanceof FleetError && error.retry && this.#users > 0;
        if (attempt >= maxReopenings || !isPassing) throw error;
        await sleep(attempt * 100 * (0.5 + Math.random()));
      }
    }
  }

  async #reopenWaiting(lost: number): Promise<void> {
    if (lost !== this.#generation) return;
    const pin = await this.#access?.pin();
    if (lost === this.#generation && this.#users > 0) this.#reopen(lost, pin);
  }

  /** TLS cannot wait for a PIN: when the source needs time, this call fails and the next one finds the token open. */
  #reopen(lost: number, givenPin?: Secret): void {
    this.#pace.require(this.#facts.label);
    const pin = givenPin ?? this.#access?.pin();
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
    try {
      this.#openAnew(pin);
      this.#pace.succeeded();
    } catch (error) {
      this.#pace.failed(error);
      throw error;
    }
  }

  #openAnew(pin: Secret | undefined): void {
    this.#pool.discard();
    if (this.#keeper !== undefined) this.#closeSession(this.#keeper);
    this.#keeper = undefined;
    this.#loaded = undefined;
    if (this.#isMixedUp && this.#isAlone()) {
      reinitialise(this.cryptoki);
      this.#isMixedUp = false;
    }
    this.#facts = this.#findAgain();
    this.#keeper = this.#openSession();
    this.#generation++;
    if (pin !== undefined && this.#access !== undefined) this.#logIn(pin, this.#access);
  }

  /** Some modules see a token that was pulled, or a server that was started again, only after they were initialised anew. */
  #findAgain(): TokenFacts {
    const selector = { token: this.#facts.label, serial: this.#facts.serial };
    try {
      return requireToken(this.cryptoki, selector);
    } catch (error) {
      if (!this.#isAlone()) throw error;
      reinitialise(this.cryptoki);
      return requireToken(this.cryptoki, selector);
    }
  }

  /** Whether nobody would lose anything by the end of all sessions of the module. */
  #isAlone(): boolean {
    const others = [...(open.get(this.cryptoki)?.values() ?? [])].filter((token) => token !== this);
    return !this.#pool.isBusy && others.every((token) => token.#pace.isWaiting && !token.#pool.isBusy);
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

  #requireOpen(): Handle {
    if (this.#users > 0 && this.#pace.isWaiting) this.#reopen(this.#generation);
    return this.#requireKeeper();
  }

  #requireKeeper(): Handle {
    if (this.#keeper !== undefined) return this.#keeper;
    throw new FleetError("key-store-unavailable", `token "${this.#facts.label}" is closed`);
  }
}

function isUnused(cryptoki: Cryptoki): boolean {
  return (open.get(cryptoki)?.size ?? 0) === 0;
}

function tooLate(label: string, patience: Duration): FleetError {
  return new FleetError("timeout", `token "${label}" did not answer in ${patience / 1000} s`, {
    hint: "the token or its module hangs: reconnect it, or restart what runs the module",
    retry: true,
  });
}

const open = new WeakMap<Cryptoki, Map<string, Token>>();
/** More than a discrete TPM or a card takes for a signature while others wait for it. */
const usualPatience: Duration = 60_000;
/** With the pauses between them at most about a second. */
const maxReopenings = 3;
