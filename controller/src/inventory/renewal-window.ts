import { type Duration, type Instant, sha256 } from "@fleetcert/shared";
import type { ConnectivityClass } from "../records.ts";

/** When a slot is to be renewed: the two ends of a window (RFC 9773 suggestedWindow). */
export interface Window {
  readonly start: Instant;
  readonly end: Instant;
}

/** What a window is assigned from. */
export interface WindowFacts {
  readonly device: string;
  readonly slot: string;
  readonly issuedAt: Instant;
  readonly notAfter: Instant;
  /** Of the profile: the same for all its certificates, so that places of the lattice stay where they are. */
  readonly validity: Duration;
  /** Share of the life after which a device that is always in contact is renewed. */
  readonly renewAt: number;
  readonly connectivity: ConnectivityClass;
}

/**
 * The renewal window of a certificate. Pure.
 *
 * Each slot of each device has its own place on a lattice of its period, drawn from a hash, and is renewed when that place
 * comes round again. So a fleet that was enrolled within one hour is spread over a whole period at its first renewal
 * already, and stays spread after an outage or a mass renewal, which move no place. The first place taken lies between a
 * quarter of the period and one and a quarter after the issue (less where that would come near the end); afterwards there is
 * one renewal a period. The window is a sixteenth
 * of the period wide. Devices that are seen rarely have a shorter period: they are first, and have more chances before the end.
 */
export function assignWindow(facts: WindowFacts): Window {
  const period = periodOf(facts);
  const phase = fractionOf(`${facts.device}/${facts.slot}`) * period;
  const soonest =
    facts.issuedAt + period * Math.min(1 / 4, latest / (facts.renewAt * share[facts.connectivity]) - 1 - 1 / 32);
  const place = phase + period * Math.ceil((soonest - phase) / period);
  const half = period / 32;
  return { start: Math.floor(place - half), end: Math.ceil(place + half) };
}

/**
 * Windows for a set that is renewed early, flat over the given one and in order: those seen rarely come first, and theirs is
 * open from the beginning. Pure; the same set gives the same windows.
 */
export function spreadOver(
  devices: readonly { readonly id: string; readonly connectivity: ConnectivityClass }[],
  { start, end }: Window,
): ReadonlyMap<string, Window> {
  const order = [...devices].sort(
    (a, b) =>
      rank[a.connectivity] - rank[b.connectivity] || fractionOf(a.id) - fractionOf(b.id) || (a.id < b.id ? -1 : 1),
  );
  const step = (end - start) / Math.max(1, order.length);
  return new Map(
    order.map(({ id, connectivity }, index) => {
      const opens = connectivity === "rare" || connectivity === "courier" ? start : Math.floor(start + index * step);
      return [id, { start: opens, end: Math.max(opens + 1, Math.ceil(start + (index + 1) * step)) }];
    }),
  );
}

/** A certificate that the issuer's own end has cut short lives less than its profile says. */
function periodOf({ issuedAt, notAfter, validity, renewAt, connectivity }: WindowFacts): Duration {
  const rest = notAfter - issuedAt;
  const life = rest > validity - 2000 ? validity : rest;
  return life * renewAt * share[connectivity];
}

/** Uniform in [0, 1), the same for the same text. */
function fractionOf(text: string): number {
  return Buffer.from(sha256(new TextEncoder().encode(text))).readUIntBE(0, 6) / 2 ** 48;
}

/** Share of the life after which no window reaches. */
const latest = 11 / 12;
/** Share of the ordinary period. */
const share: Readonly<Record<ConnectivityClass, number>> = { always: 1, daily: 7 / 8, rare: 3 / 4, courier: 1 / 2 };
const rank: Readonly<Record<ConnectivityClass, number>> = { courier: 0, rare: 1, daily: 2, always: 3 };
