import { contextTag, type DerReader, readDer, tags } from "../asn1/der-reader.ts";
import { readNull, readSmallInteger } from "../asn1/der-values.ts";
import { derNull, derSequence } from "../asn1/der-writer.ts";
import { toHex } from "../asn1/hex.ts";
import { encodeOid, readOid } from "../asn1/object-identifier.ts";
import type { KeyAlgorithm } from "./key.ts";

/** DER AlgorithmIdentifier of a signature, as certificates, requests and lists carry it. */
export type SignatureAlgorithmIdentifierDer = Uint8Array;

/** A signature scheme this product verifies. SHA-1 and MD5 are not among them. */
export type SignatureScheme =
  | { readonly family: "ecdsa" | "rsa" | "rsa-pss"; readonly digest: "sha256" | "sha384" | "sha512" }
  | { readonly family: "ed25519" };

/** The one AlgorithmIdentifier a key of this algorithm signs with; the bytes are shared, do not change them. */
export const signatureAlgorithmOf = (algorithm: KeyAlgorithm): SignatureAlgorithmIdentifierDer =>
  ownAlgorithms[algorithm];

/** The scheme an AlgorithmIdentifier names; undefined when it is not supported or malformed. */
export function parseSignatureAlgorithm(der: SignatureAlgorithmIdentifierDer): SignatureScheme | undefined {
  const plain = plainSchemes.get(toHex(der));
  if (plain !== undefined) return plain;
  try {
    return readDer(der, { tag: tags.sequence, maxBytes: 128 }, readPss);
  } catch {
    return undefined;
  }
}

/** RFC 4055 §3.1, only in the form everybody writes: one digest for both, salt as long as it, trailer 1. */
function readPss(reader: DerReader): SignatureScheme | undefined {
  if (readOid(reader) !== "1.2.840.113549.1.1.10") return undefined;
  const parameters = reader.enter(tags.sequence);
  const digest = readDigest(parameters.enter(contextTag(0, "constructed")));
  const mask = parameters.enter(contextTag(1, "constructed")).enter(tags.sequence);
  if (readOid(mask) !== "1.2.840.113549.1.1.8") return undefined;
  const maskDigest = readDigest(mask);
  const salt = readSmallInteger(parameters.enter(contextTag(2, "constructed")));
  parameters.finish();
  if (digest === undefined || digest !== maskDigest || salt !== saltBytes[digest]) return undefined;
  return { family: "rsa-pss", digest };
}

function readDigest(reader: DerReader): keyof typeof saltBytes | undefined {
  const identifier = reader.enter(tags.sequence);
  const digest = digests.get(readOid(identifier));
  if (!identifier.isAtEnd) readNull(identifier);
  identifier.finish();
  reader.finish();
  return digest;
}

const saltBytes = { sha256: 32, sha384: 48, sha512: 64 } as const;

const digests: ReadonlyMap<string, keyof typeof saltBytes> = new Map([
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"],
]);

// RFC 5758 §3.2 and RFC 8410 §3: no parameters; RFC 4055 §5: NULL.
const identifiers = {
  ecdsaSha256: derSequence(encodeOid("1.2.840.10045.4.3.2")),
  ecdsaSha384: derSequence(encodeOid("1.2.840.10045.4.3.3")),
  ecdsaSha512: derSequence(encodeOid("1.2.840.10045.4.3.4")),
  rsaSha256: derSequence(encodeOid("1.2.840.113549.1.1.11"), derNull()),
  rsaSha384: derSequence(encodeOid("1.2.840.113549.1.1.12"), derNull()),
  rsaSha512: derSequence(encodeOid("1.2.840.113549.1.1.13"), derNull()),
  ed25519: derSequence(encodeOid("1.3.101.112")),
};

const ownAlgorithms: Readonly<Record<KeyAlgorithm, SignatureAlgorithmIdentifierDer>> = {
  "P-256": identifiers.ecdsaSha256,
  "P-384": identifiers.ecdsaSha384,
  "RSA-2048": identifiers.rsaSha256,
  "RSA-3072": identifiers.rsaSha256,
  "RSA-4096": identifiers.rsaSha256,
  Ed25519: identifiers.ed25519,
};

const plainSchemes: ReadonlyMap<string, SignatureScheme> = new Map([
  [toHex(identifiers.ecdsaSha256), { family: "ecdsa", digest: "sha256" }],
  [toHex(identifiers.ecdsaSha384), { family: "ecdsa", digest: "sha384" }],
  [toHex(identifiers.ecdsaSha512), { family: "ecdsa", digest: "sha512" }],
  [toHex(identifiers.rsaSha256), { family: "rsa", digest: "sha256" }],
  [toHex(identifiers.rsaSha384), { family: "rsa", digest: "sha384" }],
  [toHex(identifiers.rsaSha512), { family: "rsa", digest: "sha512" }],
  [toHex(identifiers.ed25519), { family: "ed25519" }],
] as const);
