import type { Duration, Instant } from "@fleetcert/shared";
import type { RolloutDeviceState, RolloutGates, RolloutRecord } from "../rotation-records.ts";
import type { Actor, ListRequest, PageOf } from "./operations.ts";

/** A rotation of devices that are named. */
export interface RotationRequestView {
  readonly devices: readonly string[];
  /** `identity` when none is named. */
  readonly slot?: string;
  /** Spread over it, those seen rarely first; from now on when none is given. */
  readonly window?: { readonly start: Instant; readonly end: Instant };
  /** Maintenance windows do not hold it up: an incident. */
  readonly isUrgent?: boolean;
  /** Why, for the person who looks at a device. */
  readonly explanationUrl?: string;
  /** Judges all of it and asks nobody. */
  readonly isDryRun?: boolean;
}

/** A rotation of a selection in waves. What is absent has a default. */
export interface RolloutPlanRequest {
  /** An expression of the filter language over devices. */
  readonly filter: string;
  readonly slot?: string;
  /** Cumulative shares in per cent; 1, 10, 50, 100. */
  readonly percents?: readonly number[];
  /** After the shares, one wave for each site. */
  readonly bySite?: boolean;
  /** 95. */
  readonly provenPercent?: number;
  /** 0. */
  readonly maxFailures?: number;
  /** 24 h. */
  readonly within?: Duration;
  /** 1 h. */
  readonly soak?: Duration;
  /** Over which time each wave is spread; the ordinary window of a rotation when absent. */
  readonly spread?: Duration;
  readonly isUrgent?: boolean;
  readonly explanationUrl?: string;
}

/** One wave with the devices in each state. */
export interface WaveView {
  readonly name: string;
  readonly devices: number;
  /** Without a live session now. */
  readonly offline: number;
  readonly states: Readonly<Record<RolloutDeviceState, number>>;
}

/** A rollout as people see it. */
export interface RolloutView {
  readonly id: string;
  readonly state: RolloutRecord["state"];
  readonly stateReason: string;
  readonly slot: string;
  readonly filter: string;
  readonly isUrgent: boolean;
  readonly gates: RolloutGates;
  readonly spread: Duration;
  /** Index of the present wave. */
  readonly wave: number;
  readonly waves: readonly WaveView[];
  readonly waveStartedAt: Instant | undefined;
  readonly soakingSince: Instant | undefined;
  readonly createdAt: Instant;
  readonly createdBy: string;
  readonly endedAt: Instant | undefined;
  /** Devices that failed, at most 100. */
  readonly failures: readonly { readonly device: string; readonly wave: string; readonly reason: string }[];
}

/** Rotations that people ask for: of devices that are named, or of a selection in waves behind gates. */
export interface RotationOperations {
  /** Asks devices for a new key and certificate; all are known or none is asked. The last begins by `until`. */
  request(actor: Actor, request: RotationRequestView): Promise<{ readonly requested: number; readonly until: Instant }>;
  /** Fixes a selection and its waves; nobody is asked before it is started. */
  plan(actor: Actor, request: RolloutPlanRequest): Promise<RolloutView>;
  start(actor: Actor, id: string): Promise<RolloutView>;
  /** Nobody else is asked; those asked go on. */
  pause(actor: Actor, id: string): Promise<RolloutView>;
  resume(actor: Actor, id: string): Promise<RolloutView>;
  /** Ends it; those asked go on. */
  abort(actor: Actor, id: string): Promise<RolloutView>;
  /** Ends it and takes back what is not fulfilled; those devices keep the credential they have. */
  rollback(actor: Actor, id: string): Promise<RolloutView>;
  show(actor: Actor, id: string): Promise<RolloutView>;
  list(actor: Actor, request: ListRequest): Promise<PageOf<RolloutView>>;
}
