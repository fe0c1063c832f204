import { FleetError } from "@fleetcert/shared";

/** Bytes of every part of a CRL but the last, which holds the rest: 48 KiB, so that no broker's 64 KiB limit is met. */
export const crlPartBytes = 48 * 1024;

/** How many parts a CRL of this length is published in. */
export function partCount(length: number): number {
  return Math.ceil(length / crlPartBytes);
}

/** Cuts bytes into parts, views of them; the inverse of {@link joinParts}. */
export function splitParts(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: partCount(bytes.length) }, (_, index) =>
    bytes.subarray(index * crlPartBytes, (index + 1) * crlPartBytes),
  );
}

/**
 * Joins all parts, in order, of something whose exact length is known from a signed head. Throws `message-invalid` when a
 * part is missing, too many, or not exactly as long as its place asks for; nothing is allocated before that is checked.
 */
export function joinParts(parts: readonly Uint8Array[], length: number): Uint8Array {
  const count = partCount(length);
  if (parts.length !== count)
    throw new FleetError("message-invalid", `${parts.length} parts came, ${count} are needed`);
  for (const [index, part] of parts.entries()) {
    const wanted = Math.min(crlPartBytes, length - index * crlPartBytes);
    if (part.length === wanted) continue;
    throw new FleetError("message-invalid", `part ${index} has ${part.length} bytes, ${wanted} are needed`);
  }
  const whole = new Uint8Array(length);
  for (const [index, part] of parts.entries()) whole.set(part, index * crlPartBytes);
  return whole;
}
