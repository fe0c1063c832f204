import type { Duration, Instant } from "@fleetcert/shared";

/** How many certificates expire within a span from now: after `from`, up to and including `to`. */
export interface ExpirySpan {
  readonly label: string;
  /** Undefined: since ever. */
  readonly from: Duration | undefined;
  /** Undefined: whenever later. */
  readonly to: Duration | undefined;
  readonly count: number;
}

/** Counts certificates by the time they have left, from their notAfter; the first span holds those past it. */
export function expiryForecast(notAfters: Iterable<Instant>, now: Instant): ExpirySpan[] {
  const counts = spans.map(() => 0);
  for (const notAfter of notAfters) {
    const left = notAfter - now;
    const index = spans.findIndex(({ to }) => to === undefined || left <= to);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  return spans.map((span, index) => ({ ...span, from: spans[index - 1]?.to, count: counts[index] ?? 0 }));
}

const day = 86_400_000;

/** RFC 5280 §4.1.2.5: valid through notAfter, so nothing left means past it by at least a millisecond. */
const spans = [
  { label: "expired", to: -1 },
  { label: "1d", to: day },
  { label: "7d", to: 7 * day },
  { label: "30d", to: 30 * day },
  { label: "60d", to: 60 * day },
  { label: "90d", to: 90 * day },
  { label: "later", to: undefined },
];
