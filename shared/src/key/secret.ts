/**
 * A passphrase, PIN or claim secret that cannot be printed by accident: text, JSON and inspection all give `[secret]` (I6).
 * Compare two secrets by their uses, never by printing them.
 */
export class Secret {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  static of(text: string): Secret {
    return new Secret(text);
  }

  /** The secret itself; call it only where it is handed to the thing that needs it. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return redacted;
  }

  toJSON(): string {
    return redacted;
  }

  /** What node's `util.inspect`, and so `console.log`, shows. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return redacted;
  }
}

/** Where a secret comes from: asked once per use, so that nothing holds it for longer than needed. */
export type SecretSource = () => Secret | Promise<Secret>;

const redacted = "[secret]";
