import type { Instant } from "@fleetcert/shared";

/** UUIDv7 (RFC 9562 §5.7) of an instant and 10 random octets, as 32 lower-case hex digits. */
export function formatMessageId(at: Instant, random: Uint8Array): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(Math.min(Math.max(0, Math.trunc(at)), 2 ** 48 - 1), 0, 6);
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return bytes.toString("hex");
}
