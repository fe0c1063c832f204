import type { Duration, Instant } from "@fleetcert/shared";

/** A time without contact, such as counts. */
export interface ContactGap {
  readonly endedAt: Instant;
  readonly length: Duration;
}

/** When a device was in contact over a session, as far as its connectivity class asks for it. */
export interface ContactRecord {
  readonly device: string;
  /** The first contact that is known. */
  readonly since: Instant;
  /** The last moment it was known to be in contact. */
  readonly lastAt: Instant;
  /** Oldest first; short ones are left out, the oldest are forgotten. */
  readonly gaps: readonly ContactGap[];
}

/** The last bundle of a device that a courier brought; the next has to come after it. */
export interface CourierContactRecord {
  readonly device: string;
  readonly at: Instant;
  /** Who brought it: `operator:alice`. */
  readonly operator: string;
  /** Generation and counter of its manifest: bundles are ordered by both. */
  readonly generation: number;
  readonly counter: number;
}

/** The last status report of a device, as decoded JSON. */
export interface ReportRecord {
  readonly device: string;
  readonly receivedAt: Instant;
  readonly report: string;
}
