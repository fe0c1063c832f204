import type { Duration } from "@fleetcert/shared";

/** Good ones of all that count. */
export interface Share {
  readonly good: number;
  readonly all: number;
}

/** What the service levels are computed from; see gather-service-counts.ts for what each counts. */
export interface ServiceCounts {
  readonly validDevices: Share;
  readonly renewals: Share;
  readonly automatedRotations: Share;
  readonly closedIntents: Share;
  /** From publication to the device's application, one for each device that acknowledged. */
  readonly propagation: readonly Duration[];
  /** Devices that were expected to acknowledge and have not. */
  readonly unacknowledged: number;
}

/** One service level with its objective (DESIGN.md section 8). */
export interface ServiceLevel {
  readonly name: string;
  /** A share 0…1 or milliseconds, by `unit`; undefined while there is none. */
  readonly value: number | undefined;
  readonly objective: number;
  readonly unit: "share" | "milliseconds";
  /** Undefined while nothing was counted. */
  readonly met: boolean | undefined;
}

/**
 * The service levels. A share of nothing has no value. The propagation level is the time within which 95 % of the devices
 * expected had applied; it has no value, and is not met, while more than 5 % have not.
 */
export function serviceLevels(counts: ServiceCounts): ServiceLevel[] {
  return [
    shareLevel("valid-share", counts.validDevices, 0.9999),
    shareLevel("renewal-success", counts.renewals, 0.999),
    shareLevel("automated-share", counts.automatedRotations, 0.95),
    shareLevel("audit-completeness", counts.closedIntents, 1),
    propagationLevel(counts),
  ];
}

function shareLevel(name: string, { good, all }: Share, objective: number): ServiceLevel {
  const value = all === 0 ? undefined : good / all;
  return { name, value, objective, unit: "share", met: value === undefined ? undefined : value >= objective };
}

function propagationLevel({ propagation, unacknowledged }: ServiceCounts): ServiceLevel {
  const all = propagation.length + unacknowledged;
  const rank = Math.ceil(all * 0.95);
  const value = propagation.toSorted((a, b) => a - b)[rank - 1];
  return {
    name: "revocation-propagation",
    value,
    objective: fiveMinutes,
    unit: "milliseconds",
    met: all === 0 ? undefined : value !== undefined && value <= fiveMinutes,
  };
}

const fiveMinutes = 300_000;
