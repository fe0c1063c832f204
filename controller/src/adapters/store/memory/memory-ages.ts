import type { AgeCounter, CertificateRecord, DeviceRecord } from "../../../records.ts";
import { hourOf, isCounted, isInUse } from "../counted-certificate.ts";
import { compositeKey } from "./order.ts";
import type { MemoryTables } from "./tables.ts";

/** Stores a device and moves its counted certificates when its site changes. */
export function putDevice(tables: MemoryTables, device: DeviceRecord): void {
  const before = siteOf(tables, device.id);
  tables.devices.put(device);
  const site = device.attributes.site;
  if (site === before) return;
  for (const certificate of counted(tables, tables.certificates.group("device", device.id))) {
    addToAges(tables, { ...groupOf(tables, certificate), site: before, count: -1 });
    addToAges(tables, { ...groupOf(tables, certificate), site, count: 1 });
  }
}

/** Stores a certificate and keeps the counters in step. */
export function putCertificate(tables: MemoryTables, certificate: CertificateRecord): void {
  const before = tables.certificates.find(certificate.sha256);
  tables.certificates.put(certificate);
  for (const left of counted(tables, before ? [before] : []))
    addToAges(tables, { ...groupOf(tables, left), count: -1 });
  for (const joined of counted(tables, [certificate])) addToAges(tables, { ...groupOf(tables, joined), count: 1 });
}

/** Takes out what has expired by `now`, or counts again what has not when `now` is earlier than at the last call. */
export function expireAges(tables: MemoryTables, now: number): number {
  const before = expiredBefore(tables);
  tables.marks.put({ name: "expiredBefore", value: now });
  const [from, to] = [Math.min(before, now), Math.max(before, now)];
  let passed = 0;
  for (const certificate of tables.certificates.values()) {
    if (!isInUse(certificate) || certificate.notAfter < from || certificate.notAfter >= to) continue;
    addToAges(tables, { ...groupOf(tables, certificate), count: now >= before ? -1 : 1 });
    passed += 1;
  }
  return now >= before ? passed : 0;
}

function counted(tables: MemoryTables, certificates: readonly CertificateRecord[]): CertificateRecord[] {
  const clock = expiredBefore(tables);
  return certificates.filter((certificate) => isCounted(certificate, clock));
}

function expiredBefore(tables: MemoryTables): number {
  return tables.marks.find("expiredBefore")?.value ?? 0;
}

function groupOf(tables: MemoryTables, certificate: CertificateRecord): Omit<AgeCounter, "count"> {
  const { device, profile, issuer } = certificate;
  return { hour: hourOf(certificate), site: siteOf(tables, device), profile, issuer };
}

function siteOf(tables: MemoryTables, device: string): string {
  return tables.devices.find(device)?.attributes.site ?? "";
}

function addToAges(tables: MemoryTables, counter: AgeCounter): void {
  const key = compositeKey(counter.hour, counter.site, counter.profile, counter.issuer);
  const count = (tables.ages.find(key)?.count ?? 0) + counter.count;
  if (count === 0) tables.ages.delete(key);
  else tables.ages.put({ ...counter, count });
}
