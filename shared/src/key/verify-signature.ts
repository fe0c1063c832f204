import { createPublicKey, type KeyObject, verify } from "node:crypto";
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
    // OpenSSL refuses to import a point that is not on its curve.
    const key = createPublicKey({ key: Buffer.from(claim.spki), format: "der", type: "spki" });
    return verifyWith(scheme, { ...claim, key });
  } catch {
    return false;
  }
}

function verifyWith(
  scheme: SignatureScheme,
  { key, message, signature }: SignatureClaim & { key: KeyObject },
): boolean {
  switch (scheme.family) {
    case "ed25519":
      return verify(null, message, key, signature);
    case "rsa-pss":
      return verify(scheme.digest, message, { key, padding: pssPadding, saltLength: saltAsLongAsDigest }, signature);
    default:
      return verify(scheme.digest, message, key, signature);
  }
}

const families = { ecdsa: /^P-/, rsa: /^RSA-/, "rsa-pss": /^RSA-/, ed25519: /^Ed25519$/ } as const;

/** RSA_PKCS1_PSS_PADDING and RSA_PSS_SALTLEN_DIGEST of OpenSSL's rsa.h. */
const pssPadding = 6;
const saltAsLongAsDigest = -1;
