import { randomBytes } from "node:crypto";
import {
  encodePublicArea,
  FleetError,
  type KeyEvidence,
  type PcrSelection,
  type QuoteEvidence,
  type Secret,
  type TpmPublicArea,
} from "@fleetcert/shared";
import { KeyDirectory } from "../software/key-directory.ts";
import { policyAuthorization } from "./authorization.ts";
import { activateCredential, certify, quote } from "./commands/attestation.ts";
import { readPcrs } from "./commands/capabilities.ts";
import { type LoadedObject, loadKey, whileLoaded } from "./commands/objects.ts";
import { policyOr, policySecret, startSession } from "./commands/sessions.ts";
import { type FoundEndorsementKey, findEndorsementKey, withEndorsementKey } from "./endorsement-key.ts";
import { endorsementPolicies } from "./endorsement-policies.ts";
import { flushedOnFailure, inSession } from "./open-session.ts";
import { attestationKeyTemplate } from "./templates.ts";
import { createOwned, Tpm } from "./tpm.ts";
import type { TpmConnection } from "./tpm-connection.ts";
import { parseTpmKeyFile } from "./tpm-key-file.ts";
import { endorsement } from "./tpm-object.ts";
import type { TpmKeysConfig } from "./tpm-provider.ts";

/** What a TPM shows of itself at enrolment. */
export interface TpmIdentityEvidence {
  /** TPMT_PUBLIC of the endorsement key. */
  readonly endorsementKey: Uint8Array;
  /** DER of its certificate, where the TPM has one. */
  readonly endorsementCertificate: Uint8Array | undefined;
  /** TPMT_PUBLIC of the attestation key, a primary key of the owner hierarchy: the same until the TPM is cleared. */
  readonly attestationKey: Uint8Array;
}

/**
 * What a TPM proves of itself and its keys (all structures as `shared` verifies them). Nothing is kept on disk; the keys
 * are derived anew each time. Errors are those of the key provider.
 */
export interface TpmAttestor {
  identify(): Promise<TpmIdentityEvidence>;
  /** The challenge in a credential that was made for this TPM's endorsement key and attestation key. */
  activate(credential: { readonly credentialBlob: Uint8Array; readonly secret: Uint8Array }): Promise<Uint8Array>;
  /** Certifies a key of the provider over {@link keyQualifyingData}. Throws `key-not-found`. */
  certifyKey(ref: string, qualifyingData: Uint8Array): Promise<KeyEvidence>;
  /** Quotes PCRs over {@link quoteQualifyingData}. */
  quote(pcrs: readonly PcrSelection[], qualifyingData: Uint8Array): Promise<QuoteEvidence>;
  close(): Promise<void>;
}

/** Opens the attestor of the TPM whose keys `openKeyProvider` opens with the same settings; both may be open at once. */
export async function openTpmAttestor(config: TpmKeysConfig): Promise<TpmAttestor> {
  const directory = await KeyDirectory.open(config.directory);
  const access = await config.ownerAuth?.();
  return new Attestor(Tpm.acquire(config.tpm), directory, access);
}

class Attestor implements TpmAttestor {
  readonly #tpm: Tpm;
  readonly #directory: KeyDirectory;
  readonly #access: Secret | undefined;
  #endorsementKey: FoundEndorsementKey | undefined;
  #isOpen = true;

  constructor(tpm: Tpm, directory: KeyDirectory, access: Secret | undefined) {
    this.#tpm = tpm;
    this.#directory = directory;
    this.#access = access;
  }

  async identify(): Promise<TpmIdentityEvidence> {
    const tpm = this.#connection();
    const found = this.#findEndorsementKey();
    const attestationKey = this.#withAttestationKey(({ publicArea }) => encodePublicArea(publicArea));
    const endorsementKey = withEndorsementKey(tpm, found, ({ publicArea }) => encodePublicArea(publicArea));
    return { endorsementKey, endorsementCertificate: found.certificate, attestationKey };
  }

  async activate(credential: {
    readonly credentialBlob: Uint8Array;
    readonly secret: Uint8Array;
  }): Promise<Uint8Array> {
    const tpm = this.#connection();
    const found = this.#findEndorsementKey();
    // The challenge is a secret until the controller has it back; on the bus it is encrypted.
    return inSession(tpm, { protection: { command: false, response: true } }, (keyAuthorization) =>
      this.#withAttestationKey((key) =>
        withEndorsementKey(tpm, found, (endorsementKey) => {
          const policy = startPolicy(tpm, endorsementKey.publicArea);
          const endorsementAuthorization = policyAuthorization(policy);
          return flushedOnFailure(tpm, policy, () =>
            activateCredential(tpm, { key, keyAuthorization, endorsementKey, endorsementAuthorization, ...credential }),
          );
        }),
      ),
    );
  }

  async certifyKey(ref: string, qualifyingData: Uint8Array): Promise<KeyEvidence> {
    const id = /^tpm2:([0-9a-f]{64})$/.exec(ref)?.[1];
    if (id === undefined)
      throw new FleetError("request-invalid", "the reference of a TPM key is tpm2: and 64 hex digits");
    const text = await this.#directory.find(id);
    if (text === undefined) throw new FleetError("key-not-found", `there is no key ${ref} in ${this.#directory.path}`);
    const { blob } = parseTpmKeyFile(id, text);
    const tpm = this.#connection();
    const [key, parent] = this.#tpm.withStorageRoot(this.#access, (root) => {
      return [loadKey(tpm, { parent: root, key: blob }), encodePublicArea(root.publicArea)] as const;
    });
    const statement = whileLoaded(tpm, key, () =>
      this.#withAttestationKey((attestationKey) => certify(tpm, { key, attestationKey, qualifyingData })),
    );
    return { ...statement, publicArea: blob.publicArea, parent };
  }

  async quote(pcrs: readonly PcrSelection[], qualifyingData: Uint8Array): Promise<QuoteEvidence> {
    const tpm = this.#connection();
    const values = readPcrs(tpm, pcrs);
    const statement = this.#withAttestationKey((attestationKey) =>
      quote(tpm, { attestationKey, qualifyingData, pcrs }),
    );
    return { ...statement, values };
  }

  async close(): Promise<void> {
    if (this.#isOpen) this.#tpm.release();
    this.#isOpen = false;
  }

  #connection(): TpmConnection {
    if (!this.#isOpen) throw new FleetError("key-store-unavailable", "the TPM's attestor is closed");
    this.#tpm.dropKept();
    return this.#tpm.connection;
  }

  #findEndorsementKey(): FoundEndorsementKey {
    this.#endorsementKey ??= findEndorsementKey(this.#tpm.connection);
    return this.#endorsementKey;
  }

  #withAttestationKey<T>(run: (key: LoadedObject) => T): T {
    const { connection, algorithms } = this.#tpm;
    const template = attestationKeyTemplate(algorithms.includes("P-256") ? "P-256" : "RSA-2048");
    return whileLoaded(connection, createOwned(connection, this.#access, template), run);
  }
}

/** A policy session that may use the endorsement key (TCG EK Credential Profile annex B.6). */
function startPolicy(tpm: TpmConnection, { nameHash, authPolicy }: TpmPublicArea): number {
  const hash = nameHash === "sha384" ? "sha384" : "sha256";
  const { handle } = startSession(tpm, { kind: "policy", hash, nonce: randomBytes(32) });
  return flushedOnFailure(tpm, handle, () => {
    policySecret(tpm, handle, endorsement);
    const { branches } = endorsementPolicies[hash];
    if (!Buffer.from(branches[0]).equals(authPolicy)) policyOr(tpm, handle, branches);
    return handle;
  });
}
