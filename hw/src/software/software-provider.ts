import { generateKeyPair, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import {
  FleetError,
  type KeyAlgorithm,
  type KeyProviderInfo,
  type KeySummary,
  type OpenKeyProvider,
  type ProviderKey,
  type Secret,
} from "@fleetcert/shared";
import { requireLabel } from "../key-label.ts";
import { KeyDirectory } from "./key-directory.ts";
import { decryptKey, formatKeyFile, type KeyFile, parseKeyFile } from "./key-file.ts";

/**
 * Opens keys that are files: encrypted PKCS#8, one file a key, in a directory of mode 0700. Refs are `software:<id>`.
 *
 * While open, a key is in the memory of the process; that is why its protection is `software`.
 * Throws `key-store-unavailable` when the directory is open to others or the passphrase does not open the keys in it.
 */
export async function openSoftwareProvider(config: {
  readonly directory: string;
  readonly passphrase: Secret;
}): Promise<OpenKeyProvider> {
  const provider = new SoftwareProvider(await KeyDirectory.open(config.directory), config.passphrase);
  await provider.checkPassphrase();
  return provider;
}

class SoftwareProvider implements OpenKeyProvider {
  readonly info: KeyProviderInfo;
  readonly #directory: KeyDirectory;
  readonly #passphrase: Secret;
  #isOpen = true;

  constructor(directory: KeyDirectory, passphrase: Secret) {
    this.info = {
      kind: "software",
      protection: "software",
      description: `encrypted files in ${directory.path}`,
      algorithms: ["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519"],
    };
    this.#directory = directory;
    this.#passphrase = passphrase;
  }

  /** One key stands for all: another passphrase would make keys that the next start cannot open. */
  async checkPassphrase(): Promise<void> {
    const [id] = await this.#directory.ids();
    if (id !== undefined) await this.open(`${scheme}${id}`);
  }

  async generate({
    algorithm,
    label,
  }: {
    readonly algorithm: KeyAlgorithm;
    readonly label: string;
  }): Promise<ProviderKey> {
    this.#requireOpen();
    requireLabel(label);
    const key = await makers[algorithm]();
    const text = await formatKeyFile(key, { label, passphrase: this.#passphrase });
    const file = parseKeyFile(label, text);
    await this.#directory.write(file.id, text);
    return new SoftwareKey(file, key);
  }

  async open(ref: string): Promise<ProviderKey> {
    this.#requireOpen();
    const file = await this.#find(idOf(ref));
    if (file === undefined) throw new FleetError("key-not-found", `there is no key ${ref} in ${this.#directory.path}`);
    return new SoftwareKey(file, decryptKey(file, this.#passphrase));
  }

  async list(labelPrefix: string): Promise<KeySummary[]> {
    this.#requireOpen();
    const files = await Promise.all((await this.#directory.ids()).map((id) => this.#find(id)));
    return files
      .filter((file) => file?.label.startsWith(labelPrefix) === true)
      .flatMap((file) => (file === undefined ? [] : [summaryOf(file)]));
  }

  async destroy(ref: string): Promise<void> {
    this.#requireOpen();
    await this.#directory.remove(idOf(ref));
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  async #find(id: string): Promise<KeyFile | undefined> {
    const text = await this.#directory.find(id);
    if (text === undefined) return undefined;
    const file = parseKeyFile(id, text);
    if (file.id === id) return file;
    throw new FleetError("key-store-unavailable", `the key file ${id} holds another key`);
  }

  #requireOpen(): void {
    if (!this.#isOpen) throw new FleetError("key-store-unavailable", "the key directory is closed");
  }
}

class SoftwareKey implements ProviderKey {
  readonly protection = "software";
  readonly ref: string;
  readonly id: string;
  readonly label: string;
  readonly algorithm: KeyAlgorithm;
  readonly spki: Uint8Array;
  readonly #key: KeyObject;

  constructor({ id, label, spki, algorithm }: KeyFile, key: KeyObject) {
    this.ref = `${scheme}${id}`;
    this.id = id;
    this.label = label;
    this.algorithm = algorithm;
    this.spki = spki;
    this.#key = key;
  }

  async sign(message: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(sign(hashes[this.algorithm], message, this.#key));
  }

  tlsKey(): string {
    return this.#key.export({ type: "pkcs8", format: "pem" }).toString();
  }
}

function summaryOf({ id, label, algorithm }: KeyFile): KeySummary {
  return { ref: `${scheme}${id}`, id, label, algorithm };
}

function idOf(ref: string): string {
  const id = ref.startsWith(scheme) ? ref.slice(scheme.length) : "";
  if (/^[0-9a-f]{64}$/.test(id)) return id;
  throw new FleetError("request-invalid", "the reference of a software key is software: and 64 hex digits");
}

const make = promisify(generateKeyPair);

const makers: Readonly<Record<KeyAlgorithm, () => Promise<KeyObject>>> = {
  "P-256": async () => (await make("ec", { namedCurve: "P-256" })).privateKey,
  "P-384": async () => (await make("ec", { namedCurve: "P-384" })).privateKey,
  "RSA-2048": async () => (await make("rsa", { modulusLength: 2048 })).privateKey,
  "RSA-3072": async () => (await make("rsa", { modulusLength: 3072 })).privateKey,
  "RSA-4096": async () => (await make("rsa", { modulusLength: 4096 })).privateKey,
  Ed25519: async () => (await make("ed25519", {})).privateKey,
};

const hashes: Readonly<Record<KeyAlgorithm, string | null>> = {
  "P-256": "sha256",
  "P-384": "sha384",
  "RSA-2048": "sha256",
  "RSA-3072": "sha256",
  "RSA-4096": "sha256",
  Ed25519: null,
};

const scheme = "software:";
