import { attestationInvalid } from "./attestation-failure.ts";

/**
 * Reads TPM 2.0 structures: big-endian numbers and sized buffers (TPM 2.0 Library Part 2). Views into the input are
 * handed out, never copies. Every defect throws `attestation-invalid` with its offset; nothing is read past the end.
 */
export class TpmReader {
  readonly bytes: Uint8Array;
  /** Offset of what is read next. */
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  /** UINT8. */
  u8(): number {
    return this.#number(1);
  }

  /** UINT16. */
  u16(): number {
    return this.#number(2);
  }

  /** UINT32. */
  u32(): number {
    return this.#number(4);
  }

  /** UINT64. */
  u64(): bigint {
    const high = BigInt(this.u32());
    return (high << 32n) | BigInt(this.u32());
  }

  /** The next `length` octets. */
  take(length: number): Uint8Array {
    const left = this.bytes.length - this.position;
    if (length > left) throw this.invalid(`${length} octets where ${left} are left`);
    this.position += length;
    return this.bytes.subarray(this.position - length, this.position);
  }

  /** The content of a sized buffer (TPM2B), of at most `maxBytes`. */
  sized(maxBytes: number): Uint8Array {
    const length = this.u16();
    if (length > maxBytes) throw this.invalid(`a buffer of ${length} octets, limit ${maxBytes}`);
    return this.take(length);
  }

  /** Demands that nothing follows. */
  finish(): void {
    if (!this.isAtEnd) throw this.invalid(`${this.bytes.length - this.position} trailing octets`);
  }

  /** An error that says where. */
  invalid(what: string): Error {
    return attestationInvalid("malformed", `TPM structure: ${what} at octet ${this.position}`);
  }

  #number(octets: number): number {
    return this.take(octets).reduce((value, octet) => value * 256 + octet, 0);
  }
}

/** Reads bytes that must be exactly one structure of at most `maxBytes`. */
export function readTpm<T>(bytes: Uint8Array, maxBytes: number, read: (reader: TpmReader) => T): T {
  if (bytes.length > maxBytes)
    throw attestationInvalid("malformed", `TPM structure: ${bytes.length} octets, limit ${maxBytes}`);
  const reader = new TpmReader(bytes);
  const value = read(reader);
  reader.finish();
  return value;
}
