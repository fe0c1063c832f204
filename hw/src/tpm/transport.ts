/**
 * The way to one TPM: one command in, its response out, before `transact` returns. Commands never overlap.
 *
 * `transact` throws `key-store-unavailable` when the TPM cannot be reached and `timeout` when it does not answer; after
 * either the next call starts afresh. `close` is idempotent.
 */
export interface TpmTransport {
  transact(command: Uint8Array): Uint8Array;
  close(): void;
}

/** A command or a response never has more octets; TPMs allow 4096. */
export const maxTpmMessageBytes = 4096;
