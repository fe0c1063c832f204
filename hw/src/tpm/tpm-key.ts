import { FleetError, type KeyAlgorithm, type PcrSelection, type ProviderKey, type Secret } from "@fleetcert/shared";
import type { DigestToSign } from "../tls/tls-key-handle.ts";
import { messageToSign, signWithTpm } from "./sign-with-tpm.ts";
import type { LoadableKey, Tpm } from "./tpm.ts";
import type { TpmKeyFile } from "./tpm-key-file.ts";

/** A TPM key that this process can sign with. */
export class TpmKey implements ProviderKey {
  readonly protection = "token";
  readonly ref: string;
  readonly id: string;
  readonly label: string;
  readonly algorithm: KeyAlgorithm;
  readonly spki: Uint8Array;
  readonly #loadable: LoadableKey;
  readonly #pcrs: readonly PcrSelection[];
  readonly #provider: KeyHolder;

  constructor({ id, label, algorithm, spki, blob, pcrs }: TpmKeyFile, access: Secret | undefined, provider: KeyHolder) {
    this.ref = tpmKeyRef(id);
    this.id = id;
    this.label = label;
    this.algorithm = algorithm;
    this.spki = spki;
    this.#loadable = { id, blob, access };
    this.#pcrs = pcrs;
    this.#provider = provider;
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    return this.signDigest(messageToSign(this.algorithm, message));
  }

  /** One signature for TLS, before this returns. */
  signDigest(request: DigestToSign): Uint8Array {
    const tpm = this.#provider.requireTpm();
    return tpm.withKey(this.#loadable, (loaded) =>
      signWithTpm(tpm.connection, { loaded, spki: this.spki, pcrs: this.#pcrs }, request),
    );
  }

  tlsKey(): string {
    return this.#provider.tlsKey(this);
  }
}

/** What a key needs of its provider. */
export interface KeyHolder {
  /** Throws `key-store-unavailable` once the provider is closed. */
  requireTpm(): Tpm;
  tlsKey(key: TpmKey): string;
}

/** `tpm2:` and the key's id. */
export const tpmKeyRef = (id: string): string => `tpm2:${id}`;

/** The id in such a reference; throws `request-invalid`. */
export function tpmKeyId(ref: string): string {
  const id = /^tpm2:([0-9a-f]{64})$/.exec(ref)?.[1];
  if (id !== undefined) return id;
  throw new FleetError("request-invalid", "the reference of a TPM key is tpm2: and 64 hex digits");
}
