import type { Duration } from "@fleetcert/shared";
import type { CredentialRecord, KeyRecord } from "./slot-state.ts";

/**
 * What the reducer asks the runner to do, as data. Every effect is idempotent: after a crash it is asked for again.
 *
 * - `collect` destroys keys of this slot up to a generation that nobody refers to;
 * - `erase` destroys every key of this slot;
 * - `generate` finds the key of the intended generation, other than the ones in use, or makes it;
 * - `install` makes the new credential ready for use; for a service it switches the set of files that the service reads;
 * - `reload` makes the service read its files again, `verify` looks whether it serves the new certificate;
 * - `restore` switches back to the files of before, reloads, and verifies that the service serves those;
 * - `prove` has the controller confirm the new credential: over a session of its own, or of a service that was verified;
 * - `expose` writes the files that people and local software read;
 * - `sleep` replaces any sleep before it and ends in `woke`;
 * - `report` tells the controller that something changed, when it can.
 */
export type Effect =
  | { readonly do: "collect"; readonly keep: readonly string[]; readonly upTo: number }
  | { readonly do: "erase" }
  | {
      readonly do: "generate";
      readonly generation: number;
      readonly inUse: readonly string[];
      /** The highest generation the journal may have made a key for; orphans up to it are destroyed. */
      readonly upTo: number;
      /** Name of the key store to make it in; undefined where there is only one. */
      readonly store: string | undefined;
    }
  | { readonly do: "makeCsr"; readonly key: KeyRecord }
  | {
      readonly do: "request";
      readonly generation: number;
      readonly key: KeyRecord;
      readonly csr: Uint8Array;
      /** Signs the request; undefined for the first generation. */
      readonly asker: CredentialRecord | undefined;
    }
  | ({ readonly do: "install" } & InService)
  | ({ readonly do: "reload" } & InService)
  | ({ readonly do: "verify" } & InService)
  | ({
      readonly do: "restore";
      /** What the service is to serve again; undefined for what it served before the first generation. */
      readonly previous: CredentialRecord | undefined;
    } & InService)
  | { readonly do: "prove"; readonly next: CredentialRecord }
  | { readonly do: "expose"; readonly credential: CredentialRecord }
  | { readonly do: "destroy"; readonly key: KeyRecord }
  | { readonly do: "sleep"; readonly duration: Duration }
  | { readonly do: "report" };

/** A credential on its way into a service. */
interface InService {
  readonly next: CredentialRecord;
  /** How often the service went back before; a result of an earlier round says nothing about this one. */
  readonly round: number;
}

/** Name of an effect. */
export type EffectName = Effect["do"];
