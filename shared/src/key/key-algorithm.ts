import { type DerReader, readDer, tags } from "../asn1/der-reader.ts";
import { readIntegerBytes, readNull, readOctetAlignedBits } from "../asn1/der-values.ts";
import { toHex } from "../asn1/hex.ts";
import { readOid } from "../asn1/object-identifier.ts";
import { FleetError } from "../errors.ts";
import { isOnCurve } from "./curve.ts";
import type { KeyAlgorithm } from "./key.ts";

/**
 * The algorithm of a DER SubjectPublicKeyInfo.
 *
 * Throws `key-weak` for everything that is not one of {@link KeyAlgorithm}: other curves, points that are compressed or
 * not on the curve, RSA of another size, an even modulus, an exponent that is even, below 65537 or above 32 bits,
 * Ed25519 keys of another length, malformed bytes.
 */
export function keyAlgorithmOf(spki: Uint8Array): KeyAlgorithm {
  const { algorithm, point } = outlineOfKey(spki);
  if (point !== undefined) requireOnCurve(algorithm, point);
  return algorithm;
}

/**
 * As {@link keyAlgorithmOf}, but leaves it to who imports the key to see whether its point lies on the curve: then the
 * point is handed back.
 */
export function outlineOfKey(spki: Uint8Array): KeyOutline {
  try {
    return readDer(spki, { tag: tags.sequence, maxBytes: 4096 }, readSpki);
  } catch (cause) {
    if (cause instanceof FleetError && cause.code === "key-weak") throw cause;
    throw new FleetError("key-weak", "the public key is malformed", { cause });
  }
}

interface KeyOutline {
  readonly algorithm: KeyAlgorithm;
  /** Uncompressed point of an elliptic curve key. */
  readonly point?: Uint8Array;
}

function readSpki(reader: DerReader): KeyOutline {
  const identifier = reader.enter(tags.sequence);
  const family = readOid(identifier);
  if (family === "1.2.840.10045.2.1") return readCurvePoint(identifier, reader);
  if (family === "1.2.840.113549.1.1.1") return { algorithm: readRsa(identifier, reader) };
  if (family === "1.3.101.112") return { algorithm: readEd25519(identifier, reader) };
  throw weak(`algorithm ${family} is not accepted`);
}

/** RFC 5480 §2.1: a named curve; §2.2: we take the uncompressed form only. */
function readCurvePoint(identifier: DerReader, reader: DerReader): KeyOutline {
  if (!identifier.nextIs(tags.oid)) throw weak("the curve is not a named one");
  const curve = curves.get(readOid(identifier));
  identifier.finish();
  if (curve === undefined) throw weak("only the curves P-256 and P-384 are accepted");
  const point = readOctetAlignedBits(reader);
  if (point.length !== 1 + 2 * curve.bytes || point[0] !== 4) throw weak("the point is not in uncompressed form");
  return { algorithm: curve.name, point };
}

function requireOnCurve(algorithm: KeyAlgorithm, point: Uint8Array): void {
  const half = (point.length - 1) / 2;
  const x = BigInt(`0x${toHex(point.subarray(1, 1 + half))}`);
  const y = BigInt(`0x${toHex(point.subarray(1 + half))}`);
  if (!isOnCurve(algorithm === "P-384" ? "P-384" : "P-256", { x, y })) throw weak(`the point is not on ${algorithm}`);
}

/** RFC 3279 §2.3.1. */
function readRsa(identifier: DerReader, reader: DerReader): KeyAlgorithm {
  readNull(identifier);
  identifier.finish();
  return readDer(readOctetAlignedBits(reader), { tag: tags.sequence, maxBytes: 1024 }, (key) => {
    const modulus = positive(readIntegerBytes(key));
    const exponent = positive(readIntegerBytes(key));
    const bits = modulus.length * 8 - Math.clz32(modulus[0] as number) + 24;
    const algorithm = rsaSizes.get(bits);
    if (algorithm === undefined) throw weak(`RSA of ${bits} bits is not accepted (2048, 3072 or 4096)`);
    if (((modulus.at(-1) as number) & 1) === 0) throw weak("the RSA modulus is even");
    const value = exponent.length > 4 ? 0 : exponent.reduce((sum, octet) => sum * 256 + octet, 0);
    if (value < 65537 || value % 2 === 0) throw weak("the RSA exponent must be odd, from 65537 to 32 bits");
    return algorithm;
  });
}

/** RFC 8410 §4: no parameters, 32 octets. */
function readEd25519(identifier: DerReader, reader: DerReader): KeyAlgorithm {
  identifier.finish();
  const key = readOctetAlignedBits(reader);
  if (key.length !== 32) throw weak("the Ed25519 key is not 32 octets long");
  return "Ed25519";
}

function positive(content: Uint8Array): Uint8Array {
  if ((content[0] as number) >= 0x80) throw weak("an RSA number is negative");
  return content[0] === 0 ? content.subarray(1) : content;
}

const weak = (message: string): FleetError =>
  new FleetError("key-weak", message, { hint: "use P-256, P-384, Ed25519 or RSA of 2048, 3072 or 4096 bits" });

const curves: ReadonlyMap<string, { readonly name: "P-256" | "P-384"; readonly bytes: number }> = new Map([
  ["1.2.840.10045.3.1.7", { name: "P-256", bytes: 32 }],
  ["1.3.132.0.34", { name: "P-384", bytes: 48 }],
]);

const rsaSizes: ReadonlyMap<number, KeyAlgorithm> = new Map([
  [2048, "RSA-2048"],
  [3072, "RSA-3072"],
  [4096, "RSA-4096"],
]);
