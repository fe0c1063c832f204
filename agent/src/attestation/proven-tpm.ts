import type { MadeCredential } from "@fleetcert/shared";
import type { KeyAttestor, StateStore } from "../ports.ts";

/**
 * An attestor that remembers whether this device's TPM has answered a credential for a certificate that came. A TPM that
 * has not is introduced again with every renewal, which may take it seconds; one that has need not.
 */
export class ProvenTpm implements KeyAttestor {
  readonly #attestor: KeyAttestor;
  readonly #store: StateStore;
  #hasAnswered = false;
  #isProven: boolean;

  private constructor(attestor: KeyAttestor, { store, isProven }: { store: StateStore; isProven: boolean }) {
    this.#attestor = attestor;
    this.#store = store;
    this.#isProven = isProven;
  }

  static async open(attestor: KeyAttestor, store: StateStore): Promise<ProvenTpm> {
    return new ProvenTpm(attestor, { store, isProven: await isTpmProven(store) });
  }

  get isProven(): boolean {
    return this.#isProven;
  }

  /** A certificate came; when it came for an answered credential, the controller knows this TPM from now on. */
  async certified(): Promise<void> {
    if (!this.#hasAnswered) return;
    await this.#store.write([{ put: record, value: Uint8Array.of(1) }]);
    this.#isProven = true;
    this.#hasAnswered = false;
  }

  identify: KeyAttestor["identify"] = () => this.#attestor.identify();

  async activate(credential: MadeCredential): Promise<Uint8Array> {
    const secret = await this.#attestor.activate(credential);
    this.#hasAnswered = true;
    return secret;
  }

  certifyKey: KeyAttestor["certifyKey"] = (ref, data) => this.#attestor.certifyKey(ref, data);
  quote: KeyAttestor["quote"] = (pcrs, data) => this.#attestor.quote(pcrs, data);
}

/** Whether the controller has believed this device's TPM, by what an agent keeps. */
export async function isTpmProven(store: Pick<StateStore, "read">): Promise<boolean> {
  return (await store.read(record)) !== undefined;
}

const record = "attestation/proven";
