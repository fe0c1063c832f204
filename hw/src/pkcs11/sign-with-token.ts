import { hash } from "node:crypto";
import { ecdsaSignatureFromRaw, FleetError } from "@fleetcert/shared";
import type { RsaPSS } from "pkcs11js";
import type { DigestToSign, TlsHash } from "../tls/tls-key-handle.ts";
import { ck } from "./constants.ts";
import { type Mechanism, pkcs11js } from "./cryptoki.ts";
import type { KeyKind } from "./key-kind.ts";

/** One signature as a token is asked for it. */
export interface TokenSignature {
  readonly mechanism: Mechanism;
  readonly input: Buffer;
  /** Bytes to reserve for the answer. */
  readonly maxBytes: number;
  /** The answer in the form X.509 and TLS use. */
  finish(answer: Uint8Array): Uint8Array;
}

/** The signature of a whole message with the one algorithm of its key; hashed here, because tokens are slow at it. */
export function messageSignature(kind: KeyKind, message: Uint8Array): TokenSignature {
  if (kind.algorithm === "Ed25519") {
    return digestSignature(kind, { scheme: "ed25519", hash: "sha512", digest: message, saltLength: 0 });
  }
  const name = kind.algorithm === "P-384" ? "sha384" : "sha256";
  const scheme = kind.keyType === ck.CKK_EC ? "ecdsa" : "rsa-pkcs1";
  return digestSignature(kind, { scheme, hash: name, digest: hash(name, message, "buffer"), saltLength: 0 });
}

/** The signature of a digest, with the parameters TLS asks for. */
export function digestSignature(kind: KeyKind, { scheme, hash, digest, saltLength }: DigestToSign): TokenSignature {
  const asIs = (answer: Uint8Array): Uint8Array => new Uint8Array(answer);
  const maxBytes = kind.bits / 4;
  switch (scheme) {
    case "ecdsa":
      // PKCS#11 3.0 §6.3.12 leaves it to the module whether a longer digest is cut; FIPS 186-5 §6.4.1 says how.
      return {
        mechanism: { mechanism: ck.CKM_ECDSA },
        input: Buffer.from(digest.subarray(0, kind.bits / 8)),
        maxBytes,
        finish: (answer) => ecdsaToDer(kind, answer),
      };
    case "rsa-pkcs1":
      return { mechanism: { mechanism: ck.CKM_RSA_PKCS }, input: digestInfo(hash, digest), maxBytes, finish: asIs };
    case "ed25519":
      return { mechanism: { mechanism: ck.CKM_EDDSA }, input: somewhere(digest), maxBytes, finish: asIs };
    case "rsa-pss":
      return { mechanism: pss(hash, saltLength), input: Buffer.from(digest), maxBytes, finish: asIs };
  }
}

/** Modules take a null pointer for a mistake, and no octets at all have none. */
function somewhere(message: Uint8Array): Buffer {
  return message.length > 0 ? Buffer.from(message) : Buffer.alloc(8).subarray(0, 0);
}

/** Tokens give r and s side by side (PKCS#11 3.0 §6.3.1). */
function ecdsaToDer({ algorithm }: KeyKind, answer: Uint8Array): Uint8Array {
  const der = ecdsaSignatureFromRaw(answer, algorithm === "P-384" ? "P-384" : "P-256");
  if (der !== undefined) return der;
  throw new FleetError("token-error", `the token gave ${answer.length} bytes as ${algorithm} signature`);
}

/** RFC 8017 §9.2 note 1. */
function digestInfo(name: TlsHash, digest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(digestInfoPrefixes[name], "hex"), digest]);
}

function pss(name: TlsHash, saltLength: number): Mechanism {
  const { hashAlg, mgf } = pssHashes[name];
  const parameter: RsaPSS = { type: pkcs11js().CK_PARAMS_RSA_PSS, hashAlg, mgf, saltLen: saltLength };
  return { mechanism: ck.CKM_RSA_PKCS_PSS, parameter };
}

const digestInfoPrefixes: Readonly<Record<TlsHash, string>> = {
  sha256: "3031300d060960864801650304020105000420",
  sha384: "3041300d060960864801650304020205000430",
  sha512: "3051300d060960864801650304020305000440",
};

const pssHashes = {
  sha256: { hashAlg: ck.CKM_SHA256, mgf: ck.CKG_MGF1_SHA256 },
  sha384: { hashAlg: ck.CKM_SHA384, mgf: ck.CKG_MGF1_SHA384 },
  sha512: { hashAlg: ck.CKM_SHA512, mgf: ck.CKG_MGF1_SHA512 },
} as const;
