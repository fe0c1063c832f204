import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  encodePublicArea,
  FleetError,
  type KeyEvidence,
  type MadeCredential,
  type PcrSelection,
  type QuoteEvidence,
  type Secret,
} from "@fleetcert/shared";
import { certify, quote } from "./commands/attestation.ts";
import { readPcrs } from "./commands/capabilities.ts";
import { type LoadedObject, loadKey, whileLoaded } from "./commands/objects.ts";
import { type FoundEndorsementKey, findEndorsementKey, withEndorsementKey } from "./endorsement-key.ts";
import { readChallenge } from "./read-challenge.ts";
import { attestationKeyTemplate } from "./templates.ts";
import { createOwned, type Tpm } from "./tpm.ts";
import type { TpmConnection } from "./tpm-connection.ts";
import { tpmKeyId } from "./tpm-key.ts";
import { parseTpmKeyFile } from "./tpm-key-file.ts";

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
  activate(credential: MadeCredential): Promise<Uint8Array>;
  /** Certifies a key of the provider over {@link keyQualifyingData}. Throws `key-not-found`. */
  certifyKey(ref: string, qualifyingData: Uint8Array): Promise<KeyEvidence>;
  /** Quotes PCRs over {@link quoteQualifyingData}. */
  quote(pcrs: readonly PcrSelection[], qualifyingData: Uint8Array): Promise<QuoteEvidence>;
  close(): Promise<void>;
}

/** See `openTpmAttestor`. */
export class Attestor implements TpmAttestor {
  readonly #tpm: Tpm;
  readonly #directory: string;
  readonly #access: Secret | undefined;
  #endorsementKey: FoundEndorsementKey | undefined;
  #isOpen = true;

  constructor(tpm: Tpm, directory: string, access: Secret | undefined) {
    this.#tpm = tpm;
    this.#directory = directory;
    this.#access = access;
  }

  async identify(): Promise<TpmIdentityEvidence> {
    return this.#use((tpm) => {
      const found = this.#findEndorsementKey();
      const attestationKey = this.#withAttestationKey(({ publicArea }) => encodePublicArea(publicArea));
      const endorsementKey = withEndorsementKey(tpm, found, ({ publicArea }) => encodePublicArea(publicArea));
      return { endorsementKey, endorsementCertificate: found.certificate, attestationKey };
    });
  }

  async activate(credential: MadeCredential): Promise<Uint8Array> {
    return this.#use((tpm) => {
      const found = this.#findEndorsementKey();
      return readChallenge(tpm, { found, credential, withKey: (run) => this.#withAttestationKey(run) });
    });
  }

  async certifyKey(ref: string, qualifyingData: Uint8Array): Promise<KeyEvidence> {
    const id = tpmKeyId(ref);
    const text = await findFile(join(this.#directory, `${id}.pem`));
    if (text === undefined) throw new FleetError("key-not-found", `there is no key ${ref} in ${this.#directory}`);
    const { blob } = parseTpmKeyFile(id, text);
    return this.#use((tpm) => {
      const [key, parent] = this.#tpm.withStorageRoot(this.#access, (root) => {
        return [loadKey(tpm, { parent: root, key: blob }), encodePublicArea(root.publicArea)] as const;
      });
      const statement = whileLoaded(tpm, key, () =>
        this.#withAttestationKey((attestationKey) => certify(tpm, { key, attestationKey, qualifyingData })),
      );
      return { ...statement, publicArea: blob.publicArea, parent };
    });
  }

  async quote(pcrs: readonly PcrSelection[], qualifyingData: Uint8Array): Promise<QuoteEvidence> {
    return this.#use((tpm) => {
      const values = readPcrs(tpm, pcrs);
      const statement = this.#withAttestationKey((attestationKey) =>
        quote(tpm, { attestationKey, qualifyingData, pcrs }),
      );
      return { ...statement, values };
    });
  }

  async close(): Promise<void> {
    if (this.#isOpen) this.#tpm.release();
    this.#isOpen = false;
  }

  #use<T>(run: (tpm: TpmConnection) => T): T {
    if (!this.#isOpen) throw new FleetError("key-store-unavailable", "the TPM's attestor is closed");
    return this.#tpm.attempt(() => {
      this.#tpm.dropKept();
      return run(this.#tpm.connection);
    });
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

async function findFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
