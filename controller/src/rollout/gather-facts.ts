import type { Duration, Instant } from "@fleetcert/shared";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { RolloutDeviceRecord, RolloutRecord } from "../rotation-records.ts";
import type { Store, Transaction } from "../store-port.ts";
import type { DeviceFacts } from "./step.ts";

/** What the facts are gathered with. */
export interface FactSources {
  readonly store: Store;
  readonly isConnected: (device: string) => boolean;
  /** How long a device may take from its certificate to the proof. */
  readonly proveWithin: Duration;
}

/** Gathers what is known of every device of the waves begun so far; a few hundred in each transaction. */
export async function gatherFacts(sources: FactSources, rollout: RolloutRecord, now: Instant): Promise<DeviceFacts[]> {
  const all = await sources.store.transaction((tx) => tx.rolloutDevices.listOf(rollout.id));
  const begun = all.filter(({ wave }) => wave <= rollout.wave);
  const facts: DeviceFacts[] = [];
  for (let from = 0; from < begun.length; from += batch) {
    const some = await sources.store.transaction((tx) =>
      Promise.all(begun.slice(from, from + batch).map((one) => factsOf(sources, tx, { rollout, one, now }))),
    );
    facts.push(...some);
  }
  return facts;
}

async function factsOf(
  { isConnected, proveWithin }: FactSources,
  tx: Transaction,
  { rollout, one, now }: { readonly rollout: RolloutRecord; readonly one: RolloutDeviceRecord; readonly now: Instant },
): Promise<DeviceFacts> {
  const { device, wave, state, generation, reason } = one;
  const settled = { device, wave, state, isProven: state === "proven", wasInContact: true, isAble: true };
  if (state !== "waiting" && state !== "asked") {
    // Nobody waits for it any more, whatever its class.
    return { ...settled, connectivity: "always", failure: state === "failed" ? reason : undefined };
  }
  const record = await tx.devices.find(device);
  const connectivity = record?.attributes.connectivity ?? "always";
  const isAble = record?.state === "active";
  if (state === "waiting") {
    return { ...settled, connectivity, isProven: false, wasInContact: false, isAble, failure: undefined };
  }
  const certificates = await tx.certificates.listOf(device, rollout.slot);
  const askedAt = one.askedAt ?? now;
  return {
    ...settled,
    connectivity,
    isAble,
    isProven: certificates.some((found) => found.generation >= generation && found.provenAt !== undefined),
    wasInContact: isConnected(device) || (record?.lastSeenAt ?? 0) >= askedAt,
    failure:
      blocked(record) ??
      unproven(certificates, { generation, now, proveWithin }) ??
      (await saidError(tx, { device, slot: rollout.slot, askedAt })),
  };
}

function blocked(record: DeviceRecord | undefined): string | undefined {
  if (record === undefined || record.state === "active") return undefined;
  return `it is ${record.state}: ${record.stateReason}`;
}

function unproven(
  certificates: readonly CertificateRecord[],
  {
    generation,
    now,
    proveWithin,
  }: { readonly generation: number; readonly now: Instant; readonly proveWithin: Duration },
): string | undefined {
  const late = certificates.find(
    (one) => one.generation === generation && one.state === "issued" && now - one.issuedAt >= proveWithin,
  );
  return late && `generation ${generation} was issued and is not proven in use`;
}

/** What the device itself reported since it was asked, unless it only could not reach anybody. */
async function saidError(
  tx: Transaction,
  { device, slot, askedAt }: { readonly device: string; readonly slot: string; readonly askedAt: Instant },
): Promise<string | undefined> {
  const last = await tx.reports.find(device);
  if (last === undefined || last.receivedAt < askedAt) return undefined;
  const { slots = [] } = JSON.parse(last.report) as {
    readonly slots?: readonly { readonly slot: string; readonly lastError?: string }[];
  };
  const said = slots.find((one) => one.slot === slot)?.lastError ?? "";
  return said === "" || passing.has(said.split(":")[0] ?? "") ? undefined : `it reports ${said}`;
}

/** Errors that pass by themselves and say nothing of the change. */
const passing: ReadonlySet<string> = new Set(["offline", "timeout", "rate-limited", "time-unknown"]);
const batch = 500;
