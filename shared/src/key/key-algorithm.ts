import { type DerReader, readDer, tags } from "../asn1/der-reader.ts";
import { readIntegerBytes, readNull, readOctetAlignedBits } from "../asn1/der-values.ts";
import { toHex } from "../asn1/hex.ts";
import { readOid } from "../asn1/object-identifier.ts";
import { FleetError } from "../errors.ts";
import { isOnCurve, isUsableEd25519Point } from "./curve.ts";
import type { KeyAlgorithm } from "./key.ts";
import { weaknessOfModulus } from "./weak-rsa.ts";

/**
 * The algorithm of a DER SubjectPublicKeyInfo.
 *
 * Throws `key-weak` for everything that is not one of {@link KeyAlgorithm}: other curves, points that are compressed, not
 * on the curve or of small order, RSA of another size, with an exponent that is even, below 65537 or above 32 bits, or with
 * a modulus that known short cuts factor, malformed bytes.
 */
export function keyAlgorithmOf(spki: Uint8Array): KeyAlgorithm {
  const { algorithm, material } = outlineOfKey(spki);
  const weakness = weaknessOf(algorithm, material);
  if (weakness !== undefined) throw weak(weakness);
  return algorithm;
}

/**
 * As {@link keyAlgorithmOf} for a key under which a signature was verified: OpenSSL imports no point that is not on its
 * curve, so that for P-256 and P-384 the arithmetic has been done.
 */
export function keyAlgorithmOfVerified(spki: Uint8Array): KeyAlgorithm {
  const { algorithm } = outlineOfKey(spki);
  return algorithm === "P-256" || algorithm === "P-384" ? algorithm : keyAlgorithmOf(spki);
}

/**
 * As {@link keyAlgorithmOf}, but looks only at form and size, not at the numbers: for checking a signature, where the
 * import of the key sees whether a point is on its curve.
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
  /** Point, or modulus of an RSA key. */
  readonly material: Uint8Array;
}

function readSpki(reader: DerReader): KeyOutline {
  const identifier = reader.enter(tags.sequence);
  const family = readOid(identifier);
  if (family === "1.2.840.10045.2.1") return readCurvePoint(identifier, reader);
  if (family === "1.2.840.113549.1.1.1") return readRsa(identifier, reader);
  if (family === "1.3.101.112") return readEd25519(identifier, reader);
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
  return { algorithm: curve.name, material: point };
}

function weaknessOf(algorithm: KeyAlgorithm, material: Uint8Array): string | undefined {
  switch (algorithm) {
    case "P-256":
    case "P-384": {
      const half = (material.length - 1) / 2;
      const point = { x: numberOf(material.subarray(1, 1 + half)), y: numberOf(material.subarray(1 + half)) };
      return isOnCurve(algorithm, point) ? undefined : `the point is not on ${algorithm}`;
    }
    case "Ed25519":
      return isUsableEd25519Point(material) ? undefined : "the Ed25519 point is not on the curve or of small order";
    default: {
      const weakness = weaknessOfModulus(numberOf(material));
      return weakness && `the RSA modulus is weak: ${weakness}`;
    }
  }
}

const numberOf = (bigEndian: Uint8Array): bigint => BigInt(`0x${toHex(bigEndian)}`);

/** RFC 3279 §2.3.1. */
function readRsa(identifier: DerReader, reader: DerReader): KeyOutline {
  readNull(identifier);
  identifier.finish();
  return readDer(readOctetAlignedBits(reader), { tag: tags.sequence, maxBytes: 1024 }, (key) => {
    const modulus = positive(readIntegerBytes(key));
    const exponent = positive(readIntegerBytes(key));
    const bits = modulus.length * 8 - Math.clz32(modulus[0] as number) + 24;
    const algorithm = rsaSizes.get(bits);
    if (algorithm === undefined) throw weak(`RSA of ${bits} bits is not accepted (2048, 3072 or 4096)`);
    const value = exponent.length > 4 ? 0 : exponent.reduce((sum, octet) => sum * 256 + octet, 0);
    if (value < 65537 || value % 2 === 0) throw weak("the RSA exponent must be odd, from 65537 to 32 bits");
    return { algorithm, material: modulus };
  });
}

/** RFC 8410 §4: no parameters, 32 octets. */
function readEd25519(identifier: DerReader, reader: DerReader): KeyOutline {
  identifier.finish();
  const key = readOctetAlignedBits(reader);
  if (key.length !== 32) throw weak("the Ed25519 key is not 32 octets long");
  return { algorithm: "Ed25519", material: key };
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
