import type { Instant } from "@fleetcert/shared";
import type { ConnectivityClass, DeviceRecord } from "../records.ts";
import type { Store, Transaction } from "../store-port.ts";
import type { Holders } from "./judge-rollover.ts";

/** What of a rollover the holders are counted for. */
interface Awaited {
  readonly to: string;
  readonly bundle: { readonly era: number; readonly version: number };
  /** Before it nobody has a certificate of the new issuer. */
  readonly switchedAt: Instant | undefined;
}

/** Counts active devices by class: those whose signed report names the bundle or a later one, those of the new issuer. */
export async function countHolders(store: Store, rollover: Awaited | undefined): Promise<Holders[]> {
  const counts = new Map<ConnectivityClass, { devices: number; holding: number; reissued: number }>();
  for (let after = ""; ; ) {
    const page = await store.transaction(async (tx) => {
      const devices = await tx.devices.list({ after, limit: 500 });
      for (const device of devices) if (device.state === "active") await count(tx, { device, rollover, counts });
      return devices;
    });
    const last = page.at(-1);
    if (last === undefined || page.length < 500) break;
    after = last.id;
  }
  return classes.flatMap((connectivity) => {
    const found = counts.get(connectivity);
    return found === undefined ? [] : [{ connectivity, ...found }];
  });
}

async function count(
  tx: Transaction,
  {
    device,
    rollover,
    counts,
  }: {
    readonly device: DeviceRecord;
    readonly rollover: Awaited | undefined;
    readonly counts: Map<ConnectivityClass, { devices: number; holding: number; reissued: number }>;
  },
): Promise<void> {
  const { connectivity } = device.attributes;
  const one = counts.get(connectivity) ?? { devices: 0, holding: 0, reissued: 0 };
  counts.set(connectivity, one);
  one.devices += 1;
  if (rollover === undefined) return;
  const report = await tx.reports.find(device.id);
  if (report !== undefined && holds(report.report, rollover)) one.holding += 1;
  if (rollover.switchedAt === undefined) return;
  const newest = (await tx.certificates.listOf(device.id, "identity")).find(({ state }) => state === "proven");
  if (newest?.issuer === rollover.to) one.reissued += 1;
}

function holds(report: string, { bundle }: Awaited): boolean {
  const { trustEra = 0, trustVersion = 0 } = JSON.parse(report) as { trustEra?: number; trustVersion?: number };
  return trustEra > bundle.era || (trustEra === bundle.era && trustVersion >= bundle.version);
}

const classes: readonly ConnectivityClass[] = ["always", "daily", "rare", "courier"];
