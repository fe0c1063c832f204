import type { Check } from "./checks.ts";

/** What a run writes with `--json`, beside the figures of its scenes. */
export interface Figures {
  readonly scenario: string;
  readonly devices: number;
  readonly durationS: number;
  readonly checks: readonly Check[];
}

/** What the main job adds. Every figure comes from the run; scenes that were left out are 0. */
export interface MainJobFigures {
  readonly enrolled: number;
  readonly protection: { readonly token: number; readonly software: number; readonly attested: number };
  readonly rotated: number;
  readonly rotationFailures: number;
  readonly offlineCaughtUp: number;
  readonly clockSkewedRotated: number;
  readonly revoked: number;
  readonly revocation: {
    readonly blockedAtBrokerMs: number;
    readonly acked: number;
    readonly expected: number;
    readonly p50Ms: number;
    readonly p95Ms: number;
  };
  readonly ageHistogram: readonly { readonly label: string; readonly count: number }[];
  readonly auditEvents: number;
  readonly auditValid: boolean;
  readonly issuance: { readonly p50Ms: number; readonly p95Ms: number };
}

/** The value that a share of the sorted values does not exceed (nearest rank); 0 for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
