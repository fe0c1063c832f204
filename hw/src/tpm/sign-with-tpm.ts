import { hash } from "node:crypto";
import { FleetError, type KeyAlgorithm, type PcrSelection, type TpmSignatureScheme } from "@fleetcert/shared";
import type { DigestToSign } from "../tls/tls-key-handle.ts";
import { signDigest } from "./commands/signing.ts";
import { withPcrPolicy } from "./pcr-policy.ts";
import { pssSaltLength } from "./pss-salt.ts";
import type { TpmConnection } from "./tpm-connection.ts";
import type { TpmObject } from "./tpm-object.ts";

/**
 * The signature of a digest in the form X.509 and TLS use, with the parameters TLS asks for.
 *
 * TLS 1.3 wants a PSS salt as long as the digest (RFC 8446 §4.2.3). Part 1 annex B.7 lets a TPM take the longest possible
 * one instead, and the caller cannot say: so what came is looked at, and a TPM of the other kind is named as what it is.
 */
export function signWithTpm(
  tpm: TpmConnection,
  key: { readonly loaded: TpmObject; readonly spki: Uint8Array; readonly pcrs: readonly PcrSelection[] },
  { scheme, hash: name, digest, saltLength }: DigestToSign,
): Uint8Array {
  if (scheme === "ed25519") throw new FleetError("token-error", "keys in a TPM make no Ed25519 signatures");
  const asked: TpmSignatureScheme = { name: schemes[scheme], hash: name };
  const request = { key: key.loaded, digest, scheme: asked };
  const { value } =
    key.pcrs.length === 0
      ? signDigest(tpm, request)
      : withPcrPolicy(tpm, key.pcrs, (authorization) => signDigest(tpm, { ...request, authorization }));
  if (scheme !== "rsa-pss") return new Uint8Array(value);
  const salt = pssSaltLength(key.spki, { hash: name, signature: value });
  if (salt === saltLength) return new Uint8Array(value);
  throw new FleetError("token-error", `the TPM's PSS signature has a salt of ${salt} octets, asked was ${saltLength}`, {
    hint: "use a P-256 key on this TPM",
  });
}

/** The digest of a whole message and the one signature algorithm of its key. */
export function messageToSign(algorithm: KeyAlgorithm, message: Uint8Array): DigestToSign {
  const scheme = algorithm === "P-256" ? "ecdsa" : "rsa-pkcs1";
  return { scheme, hash: "sha256", digest: hash("sha256", message, "buffer"), saltLength: 0 };
}

const schemes = { ecdsa: "ecdsa", "rsa-pkcs1": "rsassa", "rsa-pss": "rsapss" } as const;
