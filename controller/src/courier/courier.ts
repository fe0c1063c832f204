import type { CourierPart, UpKind } from "@fleetcert/proto";
import type { Instant } from "@fleetcert/shared";
import type { BundleIntake, MessageSealer, Surroundings } from "../ports.ts";
import type { Store } from "../store-port.ts";
import { exchangeBundle } from "./exchange-bundle.ts";

/** What the courier's exchange works with. */
export interface CourierParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  readonly sealer: MessageSealer;
  readonly intake: BundleIntake;
  /** What everybody may know and a device without network lacks: trust, then its desired state, then revocation. */
  readonly carried: (device: string, options: { readonly withLists: boolean }) => Promise<CourierPart[]>;
}

/** What became of one message of a bundle, for the person who brought it. */
export interface AnswerSummary {
  readonly asked: UpKind;
  /** Type of the answer: `issued`, `confirmed`, `received`, `time-token`, `refused`. */
  readonly answer: string;
  /** Slot and generation it is about; absent when it is about none. */
  readonly slot?: string;
  readonly generation?: number;
  /** Of a refusal. */
  readonly code?: string;
  readonly message?: string;
}

/** A bundle that was taken, and the one to bring back. */
export interface ExchangedBundle {
  readonly device: string;
  readonly generation: number;
  readonly counter: number;
  /** It was exchanged before; the answers are the same. */
  readonly isRepeated: boolean;
  readonly answers: readonly AnswerSummary[];
  /** The device takes the reply until then. */
  readonly expiresAt: Instant;
  readonly reply: Uint8Array;
}

/** Devices without network, reached by whoever carries signed files. */
export interface Courier {
  /**
   * Takes a bundle and makes the reply. Throws as {@link BundleIntake} and the file's codec do; then nothing changed but the
   * audit.
   */
  exchange(operator: string, bundle: Uint8Array): Promise<ExchangedBundle>;
}

/** Opens the courier's duty. */
export function openCourier(parts: CourierParts): Courier {
  return {
    exchange: (operator, bundle) => exchangeBundle(parts, { operator, bundle }),
  };
}
