import {
  FleetError,
  type KeyAlgorithm,
  type KeyProviderInfo,
  type KeySummary,
  type OpenKeyProvider,
  type PcrSelection,
  type ProviderKey,
  type Secret,
  type SecretSource,
  type TpmPublicArea,
} from "@fleetcert/shared";
import { requireLabel } from "../key-label.ts";
import { KeyDirectory } from "../software/key-directory.ts";
import { openTlsKeyHandle, type TlsKeyHandle } from "../tls/tls-key-handle.ts";
import { presentPcrPolicy } from "./pcr-policy.ts";
import { signingKeyTemplate, type TpmKeyAlgorithm, underPolicy } from "./templates.ts";
import { Tpm } from "./tpm.ts";
import { type KeyHolder, TpmKey, tpmKeyId, tpmKeyRef } from "./tpm-key.ts";
import { formatTpmKeyFile, keyFile, parseTpmKeyFile, type TpmKeyFile } from "./tpm-key-file.ts";

/** Which TPM, and where the keys it has encrypted lie. */
export interface TpmKeysConfig {
  /** `device:/dev/tpmrm0`, `swtpm:host=127.0.0.1,port=2321` or `swtpm:path=/run/swtpm.sock`. */
  readonly tpm: string;
  /** One file a key, mode 0600; the directory has mode 0700. A copy is useless without this TPM. */
  readonly directory: string;
  /** The owner's authorisation value, where the TPM has one. It proves itself and does not cross the bus. */
  readonly ownerAuth?: SecretSource;
  /** New keys sign only while these PCRs have the values they have when the key is made; keys made before stay as they are. */
  readonly pcrs?: readonly PcrSelection[];
}

/**
 * Opens the keys of one TPM 2.0. Refs are `tpm2:<id>`.
 *
 * Throws `config-invalid`, `key-store-unavailable`, `timeout`, `pin-refused` (wrong owner's value, or lockout) or
 * `token-error`.
 */
export async function openTpmProvider(config: TpmKeysConfig): Promise<OpenKeyProvider> {
  const directory = await KeyDirectory.open(config.directory);
  const access = await config.ownerAuth?.();
  const tpm = Tpm.acquire(config.tpm);
  try {
    // Whether the owner's value is right shows now, and not at the first handshake.
    if (access !== undefined) tpm.withStorageRoot(access, () => undefined);
    return new TpmProvider(tpm, { directory, access, pcrs: config.pcrs ?? [] });
  } catch (error) {
    tpm.release();
    throw error;
  }
}

interface HowKept {
  readonly directory: KeyDirectory;
  readonly access: Secret | undefined;
  readonly pcrs: readonly PcrSelection[];
}

class TpmProvider implements OpenKeyProvider, KeyHolder {
  readonly info: KeyProviderInfo;
  readonly #tpm: Tpm;
  readonly #directory: KeyDirectory;
  readonly #access: Secret | undefined;
  readonly #pcrs: readonly PcrSelection[];
  readonly #tlsHandles = new Map<string, TlsKeyHandle>();
  #isOpen = true;

  constructor(tpm: Tpm, { directory, access, pcrs }: HowKept) {
    const { manufacturer, model, firmware } = tpm.facts;
    const description = `TPM 2.0 (${manufacturer} ${model}, firmware ${firmware})`;
    this.info = { kind: "tpm", protection: "token", description, algorithms: tpm.algorithms };
    this.#tpm = tpm;
    this.#directory = directory;
    this.#access = access;
    this.#pcrs = pcrs;
  }

  async generate(request: { readonly algorithm: KeyAlgorithm; readonly label: string }): Promise<ProviderKey> {
    const tpm = this.requireTpm();
    const label = requireLabel(request.label);
    const algorithm = tpm.algorithms.find((known) => known === request.algorithm);
    if (algorithm === undefined) {
      throw new FleetError("token-error", `the TPM makes no ${request.algorithm} keys`, {
        hint: `choose one of ${tpm.algorithms.join(", ")}`,
      });
    }
    const blob = tpm.makeKey(this.#access, () => this.#template(tpm, algorithm));
    const file = keyFile(label, blob, this.#pcrs);
    await this.#directory.write(file.id, formatTpmKeyFile(file));
    return this.#key(file);
  }

  async open(ref: string): Promise<ProviderKey> {
    this.requireTpm();
    const file = await this.#find(tpmKeyId(ref));
    if (file === undefined) throw new FleetError("key-not-found", `there is no key ${ref} in ${this.#directory.path}`);
    return this.#key(file);
  }

  async list(labelPrefix: string): Promise<KeySummary[]> {
    this.requireTpm();
    const files = await Promise.all((await this.#directory.ids()).map((id) => this.#find(id)));
    return files
      .flatMap((file) => (file === undefined ? [] : [file]))
      .filter(({ label }) => label.startsWith(labelPrefix))
      .map(({ id, label, algorithm }) => ({ ref: tpmKeyRef(id), id, label, algorithm }));
  }

  async destroy(ref: string): Promise<void> {
    const id = tpmKeyId(ref);
    const tpm = this.requireTpm();
    this.#closeTlsHandle(id);
    tpm.forget(id);
    await this.#directory.remove(id);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const id of [...this.#tlsHandles.keys()]) this.#closeTlsHandle(id);
    this.#tpm.release();
  }

  requireTpm(): Tpm {
    if (this.#isOpen) return this.#tpm;
    throw new FleetError("key-store-unavailable", "the TPM's keys are closed");
  }

  /** One handle a key, however often it is opened: OpenSSL would keep each of them until the process ends. */
  tlsKey(key: TpmKey): string {
    this.requireTpm();
    const handle = this.#tlsHandles.get(key.id) ?? openTlsKeyHandle(key.spki, (request) => key.signDigest(request));
    this.#tlsHandles.set(key.id, handle);
    return handle.pem;
  }

  #template(tpm: Tpm, algorithm: TpmKeyAlgorithm): TpmPublicArea {
    const template = signingKeyTemplate(algorithm);
    return this.#pcrs.length === 0 ? template : underPolicy(template, presentPcrPolicy(tpm.connection, this.#pcrs));
  }

  #key(file: TpmKeyFile): TpmKey {
    return new TpmKey(file, this.#access, this);
  }

  #closeTlsHandle(id: string): void {
    this.#tlsHandles.get(id)?.close();
    this.#tlsHandles.delete(id);
  }

  async #find(id: string): Promise<TpmKeyFile | undefined> {
    const text = await this.#directory.find(id);
    if (text === undefined) return undefined;
    const file = parseTpmKeyFile(id, text);
    if (file.id === id) return file;
    throw new FleetError("key-store-unavailable", `the key file ${id} holds another key`);
  }
}
