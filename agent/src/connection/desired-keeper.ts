import { type DesiredState, decodeEnvelope, decodeMessage } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import type { StateStore } from "../ports.ts";

/** The newest desired state of this device, ordered by (era, version) and durable; older ones never come back. */
export class DesiredKeeper {
  readonly #store: StateStore;
  #current: DesiredState | undefined;

  private constructor(store: StateStore, current: DesiredState | undefined) {
    this.#store = store;
    this.#current = current;
  }

  /** Throws `store-corrupt`. */
  static async open(store: StateStore): Promise<DesiredKeeper> {
    const envelope = await store.read(storeKey);
    return new DesiredKeeper(store, envelope === undefined ? undefined : desiredOf(envelope));
  }

  get current(): DesiredState | undefined {
    return this.#current;
  }

  /** Takes a verified desired state with the envelope it came in; false when it is not newer. */
  async accept(desired: DesiredState, envelope: Uint8Array): Promise<boolean> {
    if (this.#current !== undefined && compare(desired, this.#current) <= 0) return false;
    await this.#store.write([{ put: storeKey, value: envelope }]);
    this.#current = desired;
    return true;
  }
}

function compare(a: DesiredState, b: DesiredState): number {
  return a.era - b.era || a.version - b.version;
}

function desiredOf(envelope: Uint8Array): DesiredState {
  const { body } = decodeMessage(decodeEnvelope(envelope).payload);
  if (body.type !== "desired") throw new FleetError("store-corrupt", "the stored desired state is something else");
  return body;
}

const storeKey = "desired";
