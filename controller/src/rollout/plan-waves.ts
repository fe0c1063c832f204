import { FleetError, sha256Hex } from "@fleetcert/shared";
import type { ConnectivityClass } from "../records.ts";

/** How a selection is cut into waves. */
export interface WaveShape {
  /** Cumulative shares of the selection in per cent, growing, the last 100; with `bySite` the canaries before the sites. */
  readonly percents: readonly number[];
  /** After the shares, one wave for each site, in order of its name. */
  readonly bySite: boolean;
}

/** What of a device decides its wave. */
export interface Candidate {
  readonly id: string;
  readonly site: string;
  readonly connectivity: ConnectivityClass;
  readonly isConnected: boolean;
}

/** One wave of a plan. */
export interface PlannedWave {
  readonly name: string;
  readonly devices: readonly string[];
}

/**
 * Cuts a selection into waves. Pure. Every device is in exactly one wave and no wave is empty; within the order of a hash, devices
 * that are in contact come first, then those that will be soon: a canary that cannot be reached says nothing.
 * Throws `request-invalid` for shares that do not grow to 100, or an empty selection.
 */
export function planWaves(devices: readonly Candidate[], { percents, bySite }: WaveShape): PlannedWave[] {
  if (devices.length === 0) {
    throw new FleetError("request-invalid", "the selection is empty: there is nothing to rotate", {
      hint: "look at it with: fleetcert device list --filter EXPRESSION",
    });
  }
  const grows = percents.every((percent, index) => percent > (percents[index - 1] ?? 0) && percent <= 100);
  if (!grows || (!bySite && percents.at(-1) !== 100)) {
    throw new FleetError("request-invalid", `waves of ${percents.join(", ")} % do not grow to 100`);
  }
  const order = [...devices].sort(
    (a, b) => reach(a) - reach(b) || compare(sha256Hex(bytes(a.id)), sha256Hex(bytes(b.id))),
  );
  const waves: PlannedWave[] = [];
  let taken = 0;
  for (const percent of percents) {
    const upTo = Math.ceil((order.length * percent) / 100);
    waves.push({ name: `${percent} %`, devices: order.slice(taken, upTo).map(({ id }) => id) });
    taken = Math.max(taken, upTo);
  }
  const rest = order.slice(taken);
  const sites = [...new Set(rest.map(({ site }) => site))].sort(compare);
  for (const site of sites) {
    const there = rest.filter((one) => one.site === site).map(({ id }) => id);
    waves.push({ name: site === "" ? "no site" : site, devices: there });
  }
  return waves.filter((wave) => wave.devices.length > 0);
}

/** What is in contact is reached at once, whatever its class. */
const reach = ({ isConnected, connectivity }: Candidate): number => (isConnected ? -1 : rank[connectivity]);
const rank: Readonly<Record<ConnectivityClass, number>> = { always: 0, daily: 1, rare: 2, courier: 3 };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
