import { FleetError } from "@fleetcert/shared";
import { loadTlsAddon } from "./addon.ts";

/** What a token is asked to sign for TLS. */
export interface DigestToSign {
  readonly scheme: "ecdsa" | "rsa-pkcs1" | "rsa-pss" | "ed25519";
  /** Means nothing for ed25519, which hashes by itself. */
  readonly hash: TlsHash;
  /** Of the message; for ed25519 the message. */
  readonly digest: Uint8Array;
  /** Bytes; only for rsa-pss. */
  readonly saltLength: number;
}

/** Hashes TLS 1.2 and 1.3 sign with, by the name node:crypto gives them. */
export type TlsHash = "sha256" | "sha384" | "sha512";

/** A private key known to OpenSSL by a handle, valid in this process until `close`. */
export interface TlsKeyHandle {
  /** PEM for the `key` option of node:tls. */
  readonly pem: string;
  /** Idempotent; sessions that are up stay up, new signatures fail. */
  close(): void;
}

/**
 * Lets OpenSSL in this process sign with a key that is elsewhere.
 *
 * `sign` answers synchronously (TLS waits for it on the event loop): ECDSA as DER, RSA as the plain number. What it throws
 * reaches the TLS `error` event. Throws `key-store-missing` when the addon was not built.
 */
export function openTlsKeyHandle(spki: Uint8Array, sign: (request: DigestToSign) => Uint8Array): TlsKeyHandle {
  const addon = loadTlsAddon();
  const pem = addon.register(spki, (scheme, hash, digest, saltLength) =>
    sign({
      scheme: scheme as DigestToSign["scheme"],
      hash: scheme === "ed25519" ? "sha512" : requireHash(hash),
      ...{ digest, saltLength },
    }),
  );
  return { pem, close: () => void addon.unregister(pem) };
}

function requireHash(opensslName: string): TlsHash {
  const hash = hashes[opensslName];
  if (hash === undefined) throw new FleetError("token-error", `token keys do not sign ${opensslName} digests`);
  return hash;
}

const hashes: Readonly<Record<string, TlsHash>> = {
  "SHA2-256": "sha256",
  "SHA2-384": "sha384",
  "SHA2-512": "sha512",
};
