/** Key algorithms a profile may name. */
export type KeyAlgorithm = "P-256" | "P-384" | "RSA-2048" | "RSA-3072" | "RSA-4096" | "Ed25519";

/** Where a private key lives, with evidence (DESIGN.md section 2). */
export type Protection = "software" | "token" | "attested";

/**
 * A private key that signs, wherever it lives.
 *
 * `sign` hashes and signs the whole message with the one signature algorithm of its key:
 * P-256 → ECDSA-SHA256 (DER), P-384 → ECDSA-SHA384 (DER), RSA → PKCS#1 v1.5 SHA-256, Ed25519 → Ed25519.
 */
export interface Signer {
  readonly algorithm: KeyAlgorithm;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** A key in a key provider: a signer that can also authenticate a TLS session. */
export interface ProviderKey extends Signer {
  /** Persistent reference: RFC 7512 URI `pkcs11:…`, or `software:…`. Never holds a PIN. */
  readonly ref: string;
  /** CKA_ID of the key: SHA-256 of the SPKI, lower-case hex. */
  readonly id: string;
  readonly label: string;
  readonly protection: Protection;
  /** PEM for the `key` option of node:tls; for tokens a handle that is valid only in this process. */
  tlsKey(): string;
}

/** One row of {@link KeyProvider.list}. */
export interface KeySummary {
  readonly ref: string;
  readonly id: string;
  readonly label: string;
  readonly algorithm: KeyAlgorithm | undefined;
}

/**
 * A place where keys are made and kept. Keys are created persistent, sensitive and non-extractable, and that is asserted.
 *
 * - `generate` is durable when it resolves; a crash before may leave at most one key, which `list` shows. Not idempotent.
 * - `open` throws `key-not-found` when the key is absent; refs survive restarts.
 * - `list` shows the keys whose label starts with the prefix.
 * - `destroy` is idempotent: an absent key is no error.
 */
export interface KeyProvider {
  generate(request: { readonly algorithm: KeyAlgorithm; readonly label: string }): Promise<ProviderKey>;
  open(ref: string): Promise<ProviderKey>;
  list(labelPrefix: string): Promise<KeySummary[]>;
  destroy(ref: string): Promise<void>;
}

/** What a provider says of itself; shown by `doctor`, reported to the controller. */
export interface KeyProviderInfo {
  readonly kind: "software" | "pkcs11" | "tpm";
  readonly protection: Protection;
  readonly description: string;
  /** Token serial number, where there is a token. */
  readonly serial?: string;
  readonly algorithms: readonly KeyAlgorithm[];
}

/** An open key provider; `close` releases sessions and is idempotent. */
export interface OpenKeyProvider extends KeyProvider {
  readonly info: KeyProviderInfo;
  close(): Promise<void>;
}
