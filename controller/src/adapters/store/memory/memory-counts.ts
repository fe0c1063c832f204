import type { ConnectivityClass, DeviceRecord } from "../../../records.ts";
import type { ClassCount, CrlGlance } from "../../../store-port.ts";
import { checkLimit } from "../check-values.ts";
import { compositeKey, orderBy } from "./order.ts";
import type { MemoryTables } from "./tables.ts";

/** Devices by class, in order of its name. */
export function countClasses(devices: readonly DeviceRecord[]): ClassCount[] {
  const byClass = Map.groupBy(devices, ({ attributes }) => attributes.connectivity);
  return [...byClass]
    .map(([connectivity, found]) => ({ connectivity, count: found.length }))
    .sort(orderBy<ClassCount>("connectivity"));
}

/** The newest list of each shard, without its octets. */
export function glanceAt({ crls }: MemoryTables, issuer: string): CrlGlance[] {
  const shards = new Set([...crls.values()].filter((one) => one.issuer === issuer).map(({ shard }) => shard));
  return [...shards]
    .sort((a, b) => a - b)
    .flatMap((shard) => crls.group("shard", compositeKey(issuer, shard)).slice(0, 1))
    .map(({ shard, epoch, entryCount }) => ({ shard, epoch, entryCount }));
}

/** Active devices by class whose last word is that epoch or a later one. */
export function countApplied(
  tables: MemoryTables,
  { issuer, epoch }: { readonly issuer: string; readonly epoch: number },
): ClassCount[] {
  return countClasses(active(tables).filter(({ id }) => appliedBy(tables, { device: id, issuer }) >= epoch));
}

/** Active devices of a class whose last word is earlier, or that said none. */
export function listBehind(
  tables: MemoryTables,
  behind: {
    readonly issuer: string;
    readonly epoch: number;
    readonly connectivity: ConnectivityClass;
    readonly limit: number;
  },
): Pick<DeviceRecord, "id" | "lastSeenAt">[] {
  const { issuer, epoch, connectivity, limit } = behind;
  return active(tables)
    .filter(({ attributes }) => attributes.connectivity === connectivity)
    .filter(({ id }) => appliedBy(tables, { device: id, issuer }) < epoch)
    .map(({ id, lastSeenAt }) => ({ id, lastSeenAt }))
    .sort((a, b) => (a.lastSeenAt ?? Number.NEGATIVE_INFINITY) - (b.lastSeenAt ?? Number.NEGATIVE_INFINITY) || 0)
    .slice(0, checkLimit(limit));
}

function active({ devices }: MemoryTables): readonly DeviceRecord[] {
  return devices.group("state", "active");
}

function appliedBy(
  { acks }: MemoryTables,
  { device, issuer }: { readonly device: string; readonly issuer: string },
): number {
  return acks.find(compositeKey(issuer, device))?.epoch ?? Number.NEGATIVE_INFINITY;
}
