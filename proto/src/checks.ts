import { FleetError, isDeviceId, type KeyAlgorithm, type Protection } from "@fleetcert/shared";

/** Checks on single fields of decoded messages; each throws `message-invalid` naming the field. */
export const check = {
  ...{ text, uint, int, bytes, list, sha256, hex32, slot, claimId, generation, protection, keyAlgorithm, party },
};

function text(value: string | null | undefined, field: string, maxLength: number): string {
  const result = value ?? "";
  if (result.length > maxLength) fail(`${field} has ${result.length} characters, limit ${maxLength}`);
  // C0, C1, line and paragraph separators, bidi controls: never needed, often an injection into logs.
  if (unprintable.test(result)) fail(`${field} holds control characters`);
  return result;
}

function uint(value: unknown, field: string, max = Number.MAX_SAFE_INTEGER): number {
  const result = plainNumber(value);
  if (!Number.isSafeInteger(result) || result < 0 || result > max) fail(`${field} is not an integer from 0 to ${max}`);
  return result;
}

function int(value: unknown, field: string): number {
  const result = plainNumber(value);
  if (!Number.isSafeInteger(result)) fail(`${field} is not an integer`);
  return result;
}

/**
 * protobufjs hands 64-bit integers over as Long objects whenever the package `long` happens to be installed. One that a
 * number cannot hold exactly rounds to no safe integer and is refused by its caller.
 */
function plainNumber(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === "number") return value;
  const isLong = typeof value === "object" && "toNumber" in value && typeof value.toNumber === "function";
  return isLong ? (value as { toNumber(): number }).toNumber() : Number.NaN;
}

function bytes(value: Uint8Array | null | undefined, field: string, maxBytes: number, minBytes = 1): Uint8Array {
  const result = value ?? new Uint8Array();
  if (result.length < minBytes || result.length > maxBytes) {
    fail(`${field} has ${result.length} bytes, ${minBytes} to ${maxBytes} allowed`);
  }
  return Uint8Array.from(result);
}

function list<T>(value: T[] | null | undefined, field: string, maxLength: number): T[] {
  const result = value ?? [];
  if (result.length > maxLength) fail(`${field} has ${result.length} items, limit ${maxLength}`);
  return result;
}

function sha256(value: Uint8Array | null | undefined, field: string): Uint8Array {
  return bytes(value, field, 32, 32);
}

function hex32(value: Uint8Array | null | undefined, field: string): string {
  return Buffer.from(sha256(value, field)).toString("hex");
}

function slot(value: string | null | undefined): string {
  const result = value ?? "";
  if (!slotPattern.test(result)) fail("slot is not a slot name");
  return result;
}

function claimId(value: string): string {
  if (!/^[a-z0-9]{8,20}$/.test(value)) fail("claim id is none");
  return value;
}

function generation(value: unknown): number {
  const result = uint(value, "generation", 0xffff_ffff);
  if (result === 0) fail("generation is 0; generations start at 1");
  return result;
}

function protection(value: string | null | undefined): Protection {
  if (value !== "software" && value !== "token" && value !== "attested") fail("protection is not a known one");
  return value as Protection;
}

function keyAlgorithm(value: string | null | undefined): KeyAlgorithm {
  if (!keyAlgorithms.includes(value as KeyAlgorithm)) fail("key algorithm is not a known one");
  return value as KeyAlgorithm;
}

function party(value: string | null | undefined, field: string): string {
  const result = value ?? "";
  if (!isDeviceId(result)) fail(`${field} is neither a device nor the controller`);
  return result;
}

function fail(message: string): never {
  throw new FleetError("message-invalid", message);
}

const slotPattern = /^[a-z][a-z0-9-]{0,31}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing control characters is the point
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const keyAlgorithms: readonly KeyAlgorithm[] = ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519"];
