import { isFleetError, type Secret, type TpmKeyBlob, type TpmPublicArea } from "@fleetcert/shared";
import {
  neededFor,
  readAlgorithms,
  readCurves,
  readFacts,
  readHandles,
  type TpmFacts,
} from "./commands/capabilities.ts";
import { loadContext, saveContext } from "./commands/contexts.ts";
import { createKey, createPrimary, flushContext, type LoadedObject, loadKey, whileLoaded } from "./commands/objects.ts";
import { inSession } from "./open-session.ts";
import { openTransport } from "./open-transport.ts";
import { responseCodeOf } from "./response-code.ts";
import { storageRootTemplate, type TpmKeyAlgorithm } from "./templates.ts";
import { parseTpmAddress, type TpmAddress } from "./tpm-address.ts";
import { TpmConnection } from "./tpm-connection.ts";
import { owner } from "./tpm-object.ts";

/**
 * One TPM as this process uses it. Everybody in the process shares the connection, because an emulator serves one client
 * at a time; the last `release` closes it. At most two keys are loaded at once and one is kept between signatures, so
 * that the three slots of an emulator suffice.
 */
export class Tpm {
  readonly connection: TpmConnection;
  readonly facts: TpmFacts;
  readonly algorithms: readonly TpmKeyAlgorithm[];
  readonly #address: string;
  /** Whether nobody else has anything loaded: an emulator serves one client, the kernel tidies up for each of its own. */
  readonly #isOurs: boolean;
  #users = 1;
  #isDisturbed = false;
  #root: ParkedObject | undefined;
  #kept: { readonly id: string; readonly key: LoadedObject } | undefined;

  private constructor(
    address: string,
    facts: { connection: TpmConnection; facts: TpmFacts; algorithms: readonly TpmKeyAlgorithm[]; isOurs: boolean },
  ) {
    this.#address = address;
    this.connection = facts.connection;
    this.facts = facts.facts;
    this.algorithms = facts.algorithms;
    this.#isOurs = facts.isOurs;
  }

  /** Opens the TPM at an address, or shares it. Throws `config-invalid`, `key-store-unavailable`, `timeout`, `token-error`. */
  static acquire(address: string): Tpm {
    const known = opened.get(address);
    if (known !== undefined) {
      known.#users++;
      return known;
    }
    const tpm = Tpm.#open(address, parseTpmAddress(address));
    opened.set(address, tpm);
    return tpm;
  }

  static #open(text: string, address: TpmAddress): Tpm {
    const connection = new TpmConnection(openTransport(address));
    try {
      const facts = readFacts(connection);
      const isOurs = address.kind !== "device";
      if (isOurs) flushLeftovers(connection);
      return new Tpm(text, { connection, facts, algorithms: supportedAlgorithms(connection), isOurs });
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Call once for every `acquire`. */
  release(): void {
    this.#users--;
    if (this.#users > 0) return;
    opened.delete(this.#address);
    this.#tryDropKept();
    this.connection.close();
  }

  /**
   * Runs, and once more when the TPM turns out to have been restarted or reconnected, as if nothing had been loaded
   * before: `run` must do all of its work anew.
   */
  attempt<T>(run: () => T): T {
    this.#recover();
    try {
      return this.#watch(run);
    } catch (error) {
      if (!isForgotten(error)) throw error;
      this.#kept = undefined;
      this.#root = undefined;
      this.#recover();
      return this.#watch(run);
    }
  }

  /**
   * Runs with the storage root key loaded; `access` is the owner's authorisation value, where there is one. The key is
   * derived once and parked then: a discrete TPM takes a good part of a second to derive it.
   */
  withStorageRoot<T>(access: Secret | undefined, run: (root: LoadedObject) => T): T {
    this.dropKept();
    return whileLoaded(this.connection, this.#loadRoot(access), (loaded) => {
      this.#root ??= { ...loaded, context: saveContext(this.connection, loaded) };
      return run(loaded);
    });
  }

  /** Makes a key. It is loaded once, by which the TPM shows that both halves of the answer are its own. */
  makeKey(access: Secret | undefined, templateOf: () => TpmPublicArea): TpmKeyBlob {
    return this.attempt(() =>
      this.withStorageRoot(access, (parent) => {
        const key = createKey(this.connection, { parent, template: templateOf() });
        return whileLoaded(this.connection, loadKey(this.connection, { parent, key }), () => key);
      }),
    );
  }

  /** Runs with a key loaded and keeps it loaded for the next time. */
  withKey<T>(key: LoadableKey, run: (loaded: LoadedObject) => T): T {
    return this.attempt(() => {
      if (this.#kept?.id !== key.id) this.#kept = { id: key.id, key: this.#load(key) };
      return run(this.#kept.key);
    });
  }

  /** A TPM that was restarted, also without our seeing it, cannot load what was parked before. */
  #loadRoot(access: Secret | undefined): LoadedObject {
    const parked = this.#root;
    this.#root = undefined;
    const handle = parked && this.#findParked(parked);
    if (parked === undefined || handle === undefined) return createOwned(this.connection, access, storageRootTemplate);
    this.#root = parked;
    return { handle, name: parked.name, publicArea: parked.publicArea };
  }

  #findParked({ context }: ParkedObject): number | undefined {
    try {
      return loadContext(this.connection, context);
    } catch (error) {
      if (responseCodeOf(error) === undefined) throw error;
      return undefined;
    }
  }

  #load({ access, blob }: LoadableKey): LoadedObject {
    return this.withStorageRoot(access, (parent) => loadKey(this.connection, { parent, key: blob }));
  }

  #watch<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.#isDisturbed = isFleetError(error, "key-store-unavailable", "timeout");
      throw error;
    }
  }

  /** After a broken exchange nobody knows what is loaded. */
  #recover(): void {
    if (!this.#isDisturbed) return;
    this.#kept = undefined;
    this.#root = undefined;
    if (this.#isOurs) flushLeftovers(this.connection);
    this.#isDisturbed = false;
  }

  /** Frees the slot of a key if that is the one kept. */
  forget(id: string): void {
    if (this.#kept?.id === id) this.#tryDropKept();
  }

  /** A TPM that is gone, or does not answer, has nothing of ours loaded that is worth to wait for. */
  #tryDropKept(): void {
    try {
      if (!this.#isDisturbed) this.#watch(() => this.dropKept());
    } catch (error) {
      if (!isFleetError(error, "key-store-unavailable", "timeout", "token-error")) throw error;
    }
  }

  /** Frees the slot of the key that is kept. */
  dropKept(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    if (kept === undefined) return;
    try {
      flushContext(this.connection, kept.key.handle);
    } catch (error) {
      if (!isForgotten(error)) throw error;
    }
  }
}

interface ParkedObject extends LoadedObject {
  readonly context: Uint8Array;
}

/** A key at rest and what loading it takes. */
export interface LoadableKey {
  readonly id: string;
  readonly blob: TpmKeyBlob;
  /** The owner's authorisation value, where there is one. */
  readonly access: Secret | undefined;
}

/** A primary key of the owner hierarchy; the owner's authorisation value proves itself and does not cross the bus. */
export function createOwned(tpm: TpmConnection, access: Secret | undefined, template: TpmPublicArea): LoadedObject {
  if (access === undefined) return createPrimary(tpm, { hierarchy: owner, template });
  return inSession(tpm, { auth: access, protection: { command: true, response: false } }, (authorization) =>
    createPrimary(tpm, { hierarchy: owner, template, authorization }),
  );
}

function flushLeftovers(tpm: TpmConnection): void {
  for (const kind of [handleKinds.loadedSession, handleKinds.savedSession, handleKinds.transient]) {
    for (const handle of readHandles(tpm, kind)) flushContext(tpm, handle);
  }
}

function supportedAlgorithms(tpm: TpmConnection): TpmKeyAlgorithm[] {
  const algorithms = readAlgorithms(tpm);
  const curves = readCurves(tpm);
  return (["P-256", "RSA-2048"] as const).filter((name) => {
    const { algorithms: needed, curve } = neededFor[name];
    return needed.every((id) => algorithms.has(id)) && (curve === undefined || curves.has(curve));
  });
}

/** Whether the error says that the TPM was restarted or knows the key no more. */
function isForgotten(error: unknown): boolean {
  return isFleetError(error, "key-store-unavailable") || forgottenCodes.has(responseCodeOf(error)?.name ?? "");
}

const forgottenCodes: ReadonlySet<string> = new Set(["TPM_RC_HANDLE", "TPM_RC_REFERENCE_H0"]);

const opened = new Map<string, Tpm>();

/** First octets of handles (TPM_HT, Part 2 §7.2). */
const handleKinds = { loadedSession: 0x02, savedSession: 0x03, transient: 0x80 } as const;
