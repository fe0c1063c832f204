import type { DeviceRecord } from "../records.ts";
import type { Rollouts } from "../rollout/rollout.ts";
import type { RolloutRecord } from "../rotation-records.ts";
import type { Transaction } from "../store-port.ts";
import type { RolloverParts, RolloverRecord } from "./rollover.ts";

/**
 * Plans and starts the waves of the devices that are not of the new issuer; resolves with the rollout, empty where nobody is
 * left. A device that nobody waits for and that is not there is left out: a wave of such devices would never pass.
 */
export async function planWaves(parts: RolloverParts, rollover: RolloverRecord): Promise<string> {
  const { rollouts, store, inventory } = parts;
  const filter = `issuer!=${rollover.to}`;
  const known = await underWay(rollouts, filter);
  if (known?.state === "planned") await rollouts.start(rollover.startedBy, known.id);
  if (known !== undefined) return known.id;
  const connected = inventory.connected();
  const isAwaited = ({ id, attributes }: DeviceRecord): boolean =>
    rollover.thresholds[attributes.connectivity] > 0 || connected.has(id);
  const left = await store.transaction((tx) => stillOfOld(tx, rollover.to));
  const devices = left.filter(isAwaited).map(({ id }) => id);
  if (devices.length === 0) return "";
  const { percents, gates, spread } = rollover;
  const { rollout } = await rollouts.plan(rollover.startedBy, {
    ...{ devices, filter, slot: "identity", shape: { percents, bySite: false }, gates, spread },
    ...{ isUrgent: false, explanationUrl: "" },
  });
  await rollouts.start(rollover.startedBy, rollout.id);
  return rollout.id;
}

/** Once every wave has passed, asks those who were left out; they hear of it at their next contact, or by courier. */
export async function askTheRest({ store, inventory }: RolloverParts, rollover: RolloverRecord): Promise<void> {
  const rest = (await store.transaction((tx) => stillOfOld(tx, rollover.to))).map(({ id }) => id);
  for (let from = 0; from < rest.length; from += pageSize) {
    await inventory.requestRotation(rollover.startedBy, { devices: rest.slice(from, from + pageSize) });
  }
}

/** A crash may have left the waves planned or begun. */
async function underWay(rollouts: Rollouts, filter: string): Promise<RolloutRecord | undefined> {
  const all = await rollouts.list({ limit: 100_000 });
  return all.find((one) => one.filter === filter && ["planned", "running", "paused"].includes(one.state));
}

async function stillOfOld(tx: Transaction, to: string): Promise<DeviceRecord[]> {
  const found: DeviceRecord[] = [];
  for (let after = ""; ; ) {
    const page: DeviceRecord[] = await tx.devices.list({ after, limit: pageSize });
    for (const device of page) {
      if (device.state !== "active") continue;
      const newest = (await tx.certificates.listOf(device.id, "identity")).find((one) => one.state === "proven");
      if (newest !== undefined && newest.issuer !== to) found.push(device);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return found;
    after = last.id;
  }
}

const pageSize = 1000;
