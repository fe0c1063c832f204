import { verify } from "node:crypto";
import { outlineOfKey } from "./key-algorithm.ts";
import {
  parseSignatureAlgorithm,
  type SignatureAlgorithmIdentifierDer,
  type SignatureScheme,
  signatureAlgorithmOf,
} from "./signature-algorithm.ts";

/** What {@link verifySignature} looks at. */
export interface SignatureClaim {
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** DER AlgorithmIdentifier; when absent, the one algorithm its key signs with. */
  readonly algorithm?: SignatureAlgorithmIdentifierDer;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Whether a signature is that of the key over the message. Bad bytes, weak keys, unsupported algorithms and algorithms
 * that do not belong to the key are answered with false; it never throws.
 */
export function verifySignature(claim: SignatureClaim): boolean {
  try {
    const { algorithm } = outlineOfKey(claim.spki);
    const scheme = parseSignatureAlgorithm(claim.algorithm ?? signatureAlgorithmOf(algorithm));
    if (scheme === undefined || !families[scheme.family].test(algorithm)) return false;
    return verifyWith(scheme, claim);
  } catch {
    return false;
  }
}

function verifyWith(scheme: SignatureScheme, { spki, message, signature }: SignatureClaim): boolean {
  // OpenSSL refuses to import a point that is not on its curve.
  const key = publicKeyPem(spki);
  switch (scheme.family) {
    case "ed25519":
      return verify(null, message, key, signature);
    case "rsa-pss":
      return verify(scheme.digest, message, { key, padding: pssPadding, saltLength: saltAsLongAsDigest }, signature);
    default:
      return verify(scheme.digest, message, key, signature);
  }
}

/**
 * A key as text, which node:crypto imports in half the time: given as bytes, Node 24 first finds out by four errors, thrown
 * and caught with their stack, that they are no key object (measured: 14 µs against 25 µs for P-256).
 */
function publicKeyPem(spki: Uint8Array): string {
  const base64 = Buffer.from(spki.buffer, spki.byteOffset, spki.byteLength).toString("base64");
  return `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`;
}

const families = { ecdsa: /^P-/, rsa: /^RSA-/, "rsa-pss": /^RSA-/, ed25519: /^Ed25519$/ } as const;

/** RSA_PKCS1_PSS_PADDING and RSA_PSS_SALTLEN_DIGEST of OpenSSL's rsa.h. */
const pssPadding = 6;
const saltAsLongAsDigest = -1;
