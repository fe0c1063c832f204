/** What the thread that owns the socket is told when it starts. */
export interface SocketTask {
  /** For `net.connect`. */
  readonly target: { readonly path: string } | { readonly host: string; readonly port: number };
  /** {@link exchangeStates} in word 0, octets of the answer in word 1. */
  readonly control: SharedArrayBuffer;
  /** The answer: a response, or the text of an error. */
  readonly answer: SharedArrayBuffer;
}

/** States of an exchange, in the first word of the control buffer. */
export const exchangeStates = { pending: 0, answered: 1, failed: 2 } as const;
