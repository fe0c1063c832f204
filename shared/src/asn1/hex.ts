import { derInvalid } from "./der-reader.ts";

/** Lower-case hex of bytes. */
export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

/** Bytes of hex text in either case; an odd count or another character throws `der-invalid`. */
export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) throw derInvalid(`"${hex.slice(0, 40)}" is no hex`);
  return new Uint8Array(Buffer.from(hex, "hex"));
}
