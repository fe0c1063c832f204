import type { Duration, Instant } from "@fleetcert/shared";

/** A rotation that was asked for: which generation a slot is to reach, within which window, and for whom. */
export interface WishRecord {
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
  readonly windowStart: Instant;
  readonly windowEnd: Instant;
  /** Maintenance windows and a rotation that is switched off do not hold it up. */
  readonly isUrgent: boolean;
  /** Why, for the person who looks at the device (RFC 9773); may be empty. */
  readonly explanationUrl: string;
  /** The rollout it belongs to; empty for a wish of its own. */
  readonly rollout: string;
}

/** A certificate that was issued to a device and is not proven in use yet. */
export interface AwaitedProofRecord {
  readonly sha256: string;
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
  readonly issuedAt: Instant;
  /** When it was noted that the proof stays away. */
  readonly notedAt: Instant | undefined;
}

/** What a device was last told, so that a change of configuration makes a new version. */
export interface DesiredDigestRecord {
  readonly device: string;
  /** SHA-256 of the desired state without its version, lower-case hex. */
  readonly sha256: string;
}

/** Where a rollout stands; the last three are ends. */
export type RolloutState = "planned" | "running" | "paused" | "completed" | "aborted" | "rolled-back";

/** What must hold before the next wave begins, and what stops the rollout. */
export interface RolloutGates {
  /** Per cent of the wave's devices that have to be proven, 1 to 100; those that were not in contact do not count. */
  readonly provenPercent: number;
  /** So many failures are borne; one more rolls the wave back. */
  readonly maxFailures: number;
  /** Longest time a wave may take before the rollout pauses. */
  readonly within: Duration;
  /** How long a wave that has passed is watched before the next one begins. */
  readonly soak: Duration;
}

/** A rotation of many devices in waves. */
export interface RolloutRecord {
  readonly id: string;
  readonly state: RolloutState;
  /** Why it is paused or has ended; empty otherwise. */
  readonly stateReason: string;
  readonly slot: string;
  /** The selection as it was asked for. */
  readonly filter: string;
  readonly isUrgent: boolean;
  readonly explanationUrl: string;
  readonly waves: readonly { readonly name: string; readonly devices: number }[];
  readonly gates: RolloutGates;
  /** Over which time the devices of one wave are spread. */
  readonly spread: Duration;
  /** Index of the present wave. */
  readonly wave: number;
  readonly waveStartedAt: Instant | undefined;
  /** Since when the present wave has passed its gates and is watched. */
  readonly soakingSince: Instant | undefined;
  readonly createdAt: Instant;
  readonly createdBy: string;
  readonly endedAt: Instant | undefined;
}

/** Where one device of a rollout stands. `withdrawn`: the wish was taken back; the device keeps what it has. */
export type RolloutDeviceState = "waiting" | "asked" | "proven" | "failed" | "withdrawn" | "skipped";

/** One device of a rollout. */
export interface RolloutDeviceRecord {
  readonly rollout: string;
  readonly device: string;
  readonly wave: number;
  readonly state: RolloutDeviceState;
  /** The generation asked for; 0 before it was. */
  readonly generation: number;
  readonly askedAt: Instant | undefined;
  /** What went wrong, for people; empty otherwise. */
  readonly reason: string;
}
