import { openKeyProvider } from "@fleetcert/hw";
import type { KeyProvider, OpenKeyProvider, Secret } from "@fleetcert/shared";
import { keyPlace } from "./key-places.ts";
import { type KeyRoute, routedKeys } from "./routed-keys.ts";

/** What config.yaml says of where private keys live; empty is the encrypted files. */
export interface KeySettings {
  readonly issuing: string;
  readonly command: string;
  readonly root: string;
}

/** Keys that are open until they are closed. */
export interface OpenKeys extends KeyProvider {
  close(): Promise<void>;
}

/**
 * Opens the stores of a controller's own keys as one: issuing key, command keys and, in encrypted files, everything else. Throws what
 * opening a store throws, and then leaves none open.
 */
export async function openControllerKeys(options: {
  readonly data: string;
  /** Directory of the encrypted files. */
  readonly directory: string;
  readonly passphrase: Secret;
  readonly settings: KeySettings;
}): Promise<OpenKeys> {
  const { data, directory, passphrase, settings } = options;
  const opened: OpenKeyProvider[] = [];
  const close = async (): Promise<void> => {
    for (const provider of opened.splice(0)) await provider.close();
  };
  try {
    const routes: KeyRoute[] = [];
    for (const [setting, makes] of Object.entries(labelsOf) as [keyof typeof labelsOf, KeyRoute["makes"]][]) {
      const place = keyPlace(data, setting, settings[setting]);
      if (place === undefined) continue;
      const keys = await openKeyProvider(place);
      opened.push(keys);
      routes.push({ keys, makes });
    }
    const files = await openKeyProvider({ kind: "software", directory, passphrase });
    opened.push(files);
    return { ...routedKeys([...routes, { keys: files, makes: () => true }]), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Opens the store of the root key: a token or TPM where the settings name one, else its own encrypted files. */
export async function openRootKeys(options: {
  readonly data: string;
  readonly settings: KeySettings;
  /** Of the encrypted files; asked only when they are used. */
  readonly files: () => Promise<{ readonly directory: string; readonly passphrase: Secret }>;
}): Promise<OpenKeyProvider> {
  const place = keyPlace(options.data, "root", options.settings.root);
  return await openKeyProvider(place ?? { kind: "software", ...(await options.files()) });
}

/** Labels of create-pki.ts and command-ladder.ts. */
const labelsOf = {
  issuing: (label: string) => label === "issuing",
  command: (label: string) => label.startsWith("command-"),
} as const;
