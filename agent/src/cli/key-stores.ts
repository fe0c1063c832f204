import { formatPkcs11Uri, parsePkcs11Uri } from "@fleetcert/hw";
import {
  FleetError,
  isFleetError,
  type KeyProviderInfo,
  type KeySummary,
  type OpenKeyProvider,
  type Protection,
  type ProviderKey,
} from "@fleetcert/shared";
import type { AgentConfig } from "../config.ts";
import type { AgentKeys, Log, StateStore } from "../ports.ts";
import { deviceLabelPrefix } from "../renewal/key-label.ts";
import { keyStoreOf } from "../renewal/key-store.ts";

/** A key store as the configuration says it; no secrets, only where they are. */
export type KeyStoreSettings = AgentConfig["keys"];

/** What the stores are opened with. */
interface Opening {
  /** Of the identity first, then of slots that have one of their own. */
  readonly homes: readonly KeyStoreSettings[];
  readonly state: Pick<StateStore, "read" | "write">;
  readonly device: string;
  readonly open: (settings: KeyStoreSettings) => Promise<OpenKeyProvider>;
  readonly log: Log;
}

/**
 * Every key store this agent has keys in: those the configuration names, and those it named before, for as long as keys of this
 * device are in them. One that cannot be opened now keeps nothing else up: it is tried again whenever it is asked for.
 */
export class KeyStores implements AgentKeys {
  readonly #stores: Map<string, OpenKeyProvider>;
  readonly #main: OpenKeyProvider;
  readonly #names: readonly string[];
  readonly #reopen: (name: string) => Promise<OpenKeyProvider | undefined>;

  private constructor(
    stores: Map<string, OpenKeyProvider>,
    main: OpenKeyProvider,
    known: {
      readonly names: readonly string[];
      readonly reopen: (name: string) => Promise<OpenKeyProvider | undefined>;
    },
  ) {
    this.#stores = stores;
    this.#main = main;
    this.#names = known.names;
    this.#reopen = known.reopen;
  }

  /** A single store that never changes. */
  static of(provider: OpenKeyProvider): KeyStores {
    return new KeyStores(new Map(), provider, { names: [], reopen: async () => undefined });
  }

  /** Rejects as the identity's key store does, when no other one that keys are in can be opened either. */
  static async open({ homes, state, device, open, log }: Opening): Promise<KeyStores> {
    const stores = new Map<string, OpenKeyProvider>();
    const known = new Map(homes.map((home) => [keyStoreName(home), home]));
    const former = (await remembered(state)).filter((before) => !known.has(keyStoreName(before)));
    let failure: unknown;
    for (const [name, settings] of known) {
      try {
        stores.set(name, await open(settings));
      } catch (error) {
        failure ??= error;
        log.warn({ error, store: name }, "key store not opened");
      }
    }
    for (const before of former) {
      const name = keyStoreName(before);
      const provider = await openFormer(before, { open, log });
      const isEmpty = provider !== undefined && (await provider.list(deviceLabelPrefix(device))).length === 0;
      if (isEmpty) await provider.close();
      else known.set(name, before);
      if (provider !== undefined && !isEmpty) stores.set(name, provider);
    }
    // A device that never had a key elsewhere cannot go on without the store it is told to use.
    const [main] = stores.values();
    if (main === undefined || (failure !== undefined && former.length === 0)) {
      for (const provider of stores.values()) await provider.close();
      throw failure ?? new FleetError("config-invalid", "no key store is configured");
    }
    await state.write([{ put: rememberedKey, value: new TextEncoder().encode(JSON.stringify([...known.values()])) }]);
    const reopen = async (name: string) => {
      const settings = known.get(name);
      return settings && (await open(settings));
    };
    return new KeyStores(stores, main, { names: [...known.keys()], reopen });
  }

  async generate(request: Parameters<AgentKeys["generate"]>[0]): Promise<ProviderKey> {
    const { algorithm, label, store } = request;
    return await (await this.#named(store)).generate({ algorithm, label });
  }

  async open(ref: string): Promise<ProviderKey> {
    return await (await this.#named(keyStoreOf(ref))).open(ref);
  }

  async list(labelPrefix: string, options?: Parameters<AgentKeys["list"]>[1]): Promise<KeySummary[]> {
    if (options !== undefined && this.#names.length > 0) return await this.#listEvery(labelPrefix, options.missing);
    const all: KeySummary[] = await this.#main.list(labelPrefix);
    for (const provider of new Set(this.#stores.values())) {
      if (provider === this.#main) continue;
      // One that is not there now shows its keys when it is back.
      all.push(...(await provider.list(labelPrefix).catch(unreachable)));
    }
    return all;
  }

  async #listEvery(labelPrefix: string, missing: (error: unknown) => void): Promise<KeySummary[]> {
    const all: KeySummary[] = [];
    for (const name of this.#names) {
      try {
        all.push(...(await (await this.#named(name)).list(labelPrefix)));
      } catch (error) {
        missing(error);
      }
    }
    return all;
  }

  async destroy(ref: string): Promise<void> {
    await (await this.#named(keyStoreOf(ref))).destroy(ref);
  }

  /** What the store of a key says of itself; of the identity's home when no key is named. */
  infoOf(ref?: string): KeyProviderInfo {
    if (ref === undefined) return this.#main.info;
    return (this.#stores.get(keyStoreOf(ref)) ?? this.#main).info;
  }

  protectionOf(ref: string | undefined): Protection {
    return this.infoOf(ref).protection;
  }

  async close(): Promise<void> {
    for (const provider of new Set([this.#main, ...this.#stores.values()])) await provider.close();
  }

  /** A single store is asked whatever the name. Rejects as opening it does, or with `key-store-unavailable`. */
  async #named(name: string | undefined): Promise<OpenKeyProvider> {
    if (name === undefined || this.#stores.size === 0) return this.#main;
    const found = this.#stores.get(name) ?? (await this.#reopen(name));
    if (found === undefined) {
      throw new FleetError("key-store-unavailable", `the key store ${name} is in no configuration of this agent`, {
        hint: "name it under keys again, or have the device enrolled again after a person has re-approved it",
      });
    }
    this.#stores.set(name, found);
    return found;
  }
}

/** Name of the store of a configuration, as references of its keys say it. Throws `config-invalid`. */
export function keyStoreName({ provider, token }: KeyStoreSettings): string {
  // TPM keys are referred to as tpm2:….
  if (provider !== "pkcs11") return provider === "tpm" ? "tpm2" : provider;
  const label = token.startsWith("pkcs11:") ? parsePkcs11Uri(token).token : token;
  return label === undefined ? "pkcs11" : formatPkcs11Uri({ token: label });
}

async function openFormer(
  settings: KeyStoreSettings,
  { open, log }: Pick<Opening, "open" | "log">,
): Promise<OpenKeyProvider | undefined> {
  try {
    return await open(settings);
  } catch (error) {
    log.warn({ error, store: keyStoreName(settings) }, "former key store not opened");
    return undefined;
  }
}

async function remembered(state: Pick<StateStore, "read">): Promise<KeyStoreSettings[]> {
  const bytes = await state.read(rememberedKey);
  return bytes === undefined ? [] : (JSON.parse(new TextDecoder().decode(bytes)) as KeyStoreSettings[]);
}

function unreachable(error: unknown): KeySummary[] {
  if (isFleetError(error)) return [];
  throw error;
}

const rememberedKey = "key-stores";
