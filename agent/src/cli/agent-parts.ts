import type { Claim, Duration, Instant } from "@fleetcert/shared";
import type { ConnectionSettings } from "../connection/connection.ts";
import type { FileSets, Service } from "../deployment/service-actions.ts";
import type { KeyAttestor, Link, ListOutput, ListPatches, OutputFiles, StateStore, Surroundings } from "../ports.ts";
import type { RenewalSettings } from "../renewal/settings.ts";
import type { FailOpenFor } from "../revocation/staleness.ts";
import type { KeyStores } from "./key-stores.ts";

/** Who the device is, settled by its claim. */
export interface AgentIdentity {
  readonly fleet: string;
  readonly device: string;
  /** SHA-256 of the pinned root certificate, lower-case hex. */
  readonly rootSha256: string;
}

/** Where the controller is. */
export interface ControllerAddress {
  readonly host: string;
  /** Of the operational listener, where that is elsewhere; empty otherwise. */
  readonly brokerHost: string;
  /** Of the operational listener. */
  readonly port: number;
  readonly bootstrapPort: number;
}

/** The claim to enrol with; throws `claim-invalid` when there is none. Asked only when it is needed. */
export type ClaimSource = () => Promise<Pick<Claim, "claimId" | "secret">>;

/** A slot whose credential a service of this host uses. */
export interface ServiceSlot {
  readonly slot: string;
  /** Profile it is expected to have; empty takes what the controller assigns. */
  readonly profile: string;
  /** Name of the key store for its new keys. */
  readonly home: string | undefined;
  readonly files: FileSets;
  readonly service: Service;
  readonly serverName: string;
  readonly settleWithin: Duration;
}

/** Everything an agent is made of. */
export interface AgentParts {
  readonly identity: AgentIdentity;
  readonly controller: ControllerAddress;
  readonly claim: ClaimSource;
  /** The generation from which on a person's claim permits this device to enrol anew; undefined without such a claim. */
  readonly permitted?: number;
  readonly keys: KeyStores;
  /** Name of the key store for the identity's new keys; undefined where there is only one. */
  readonly home: string | undefined;
  /** Where the key store can prove its keys, and is to do so. */
  readonly attestor?: KeyAttestor;
  readonly store: StateStore;
  readonly link: Link;
  readonly files: OutputFiles;
  readonly surroundings: Surroundings;
  /** The present is not before this. */
  readonly buildTime: Instant;
  readonly agentVersion: string;
  /** Operating system and machine, for reports. */
  readonly platform: string;
  /** Slots of services of this host. */
  readonly services: readonly ServiceSlot[];
  /** Who is given revocation lists. */
  readonly outputs: readonly ListOutput[];
  readonly patches: ListPatches;
  readonly settings: {
    readonly renewal: Omit<RenewalSettings, "rules">;
    readonly connection: ConnectionSettings;
    /** Whether revocation lists are kept beside snapshots. */
    readonly keepsLists: boolean;
    readonly failOpenFor: FailOpenFor;
  };
}
