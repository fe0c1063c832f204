import type { Duration } from "@fleetcert/shared";
import type { CredentialRecord, KeyRecord } from "./slot-state.ts";

/**
 * What the reducer asks the runner to do, as data. Every effect is idempotent: after a crash it is asked for again.
 *
 * - `collect` destroys keys of this slot up to a generation that nobody refers to;
 * - `generate` finds the key of the intended generation, other than the ones in use, or makes it;
 * - `prove` opens a session with the new credential and has the controller confirm it;
 * - `expose` writes the files that people and local software read;
 * - `sleep` replaces any sleep before it and ends in `woke`;
 * - `report` tells the controller that something changed, when it can.
 */
export type Effect =
  | { readonly do: "collect"; readonly keep: readonly string[]; readonly upTo: number }
  | { readonly do: "generate"; readonly generation: number; readonly inUse: readonly string[] }
  | { readonly do: "makeCsr"; readonly key: KeyRecord }
  | {
      readonly do: "request";
      readonly generation: number;
      readonly key: KeyRecord;
      readonly csr: Uint8Array;
      /** Signs the request; undefined for the first generation. */
      readonly asker: CredentialRecord | undefined;
    }
  | { readonly do: "install"; readonly next: CredentialRecord }
  | { readonly do: "prove"; readonly next: CredentialRecord }
  | { readonly do: "expose"; readonly credential: CredentialRecord }
  | { readonly do: "destroy"; readonly key: KeyRecord }
  | { readonly do: "sleep"; readonly duration: Duration }
  | { readonly do: "report" };

/** Name of an effect. */
export type EffectName = Effect["do"];
