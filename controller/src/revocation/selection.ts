import { FleetError, type ReasonCode, reasonCodeNumbers, Serial } from "@fleetcert/shared";
import type { Json } from "../approval/approval.ts";
import type { CertificateRecord, DeviceRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { RevocationParts } from "./revocation.ts";

/** What is meant: exactly one of the ways to say it. */
export interface Selection {
  readonly device?: string | undefined;
  /** Hex. */
  readonly serial?: string | undefined;
  /** Devices and serials, as a file lists them. */
  readonly listed?: { readonly devices: readonly string[]; readonly serials: readonly string[] } | undefined;
  /** An expression over the registry, as in `device list --filter`. */
  readonly filter?: string | undefined;
  /** A production lot: the devices with the tag `lot:NAME`, and those that enrolled with the claim of that id. */
  readonly batch?: string | undefined;
}

/** The devices and single certificates of a selection, in order and each once. */
export interface Selected {
  readonly devices: readonly DeviceRecord[];
  readonly certificates: readonly CertificateRecord[];
}

/** Finds what is selected now. Throws `request-invalid`, `not-found`, `filter-invalid`. */
export async function select(parts: RevocationParts, tx: Transaction, selection: Selection): Promise<Selected> {
  const ways = [selection.device, selection.serial, selection.listed, selection.filter, selection.batch];
  if (ways.filter((way) => way !== undefined).length !== 1) {
    throw new FleetError("request-invalid", "name either a device, a serial, a list, a filter or a batch");
  }
  const ids = await deviceIds(parts, tx, selection);
  const devices: DeviceRecord[] = [];
  for (const id of [...new Set(ids)].sort()) devices.push(await requireDevice(tx, id));
  const serials = selection.serial === undefined ? (selection.listed?.serials ?? []) : [selection.serial];
  const certificates: CertificateRecord[] = [];
  for (const serial of [...new Set(serials.map((text) => Serial.parse(text).hex))].sort()) {
    certificates.push(await requireCertificate(parts, tx, serial));
  }
  if (devices.length + certificates.length > maxSelected) {
    throw new FleetError("request-invalid", `one plan takes at most ${maxSelected} devices and certificates`);
  }
  return { devices, certificates };
}

/** A selection in its canonical form, as it stands in a plan. */
export function selectionJson({ device, serial, listed, filter, batch }: Selection): { readonly [name: string]: Json } {
  if (device !== undefined) return { device };
  if (serial !== undefined) return { serial: serial.toLowerCase() };
  if (filter !== undefined) return { filter };
  if (batch !== undefined) return { batch };
  const { devices = [], serials = [] } = listed ?? {};
  return {
    listed: {
      devices: [...new Set(devices)].sort(),
      serials: [...new Set(serials.map((text) => text.toLowerCase()))].sort(),
    },
  };
}

/** The reason as RFC 5280 names it; throws `request-invalid` for those that fit no end certificate. */
export function requireReason(reason: string): ReasonCode {
  if (Object.hasOwn(reasonCodeNumbers, reason) && !unfitReasons.has(reason)) return reason as ReasonCode;
  const fit = Object.keys(reasonCodeNumbers).filter((name) => !unfitReasons.has(name));
  throw new FleetError("request-invalid", `"${reason.slice(0, 40)}" is no reason to revoke a certificate`, {
    hint: `one of ${fit.join(", ")}`,
  });
}

async function deviceIds(parts: RevocationParts, tx: Transaction, selection: Selection): Promise<readonly string[]> {
  const { device, listed, filter, batch } = selection;
  if (device !== undefined) return [device];
  if (filter !== undefined) return await parts.devicesBy(tx, filter);
  if (batch !== undefined) return await devicesOfBatch(tx, batch);
  return listed?.devices ?? [];
}

async function devicesOfBatch(tx: Transaction, batch: string): Promise<string[]> {
  const found: string[] = [];
  for (let after = ""; ; ) {
    const page = await tx.devices.list({ after, limit: 1000 });
    for (const { id, attributes, claimId } of page) {
      if (attributes.tags.includes(`lot:${batch}`) || claimId === batch) found.push(id);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < 1000) break;
    after = last.id;
  }
  if (found.length > 0) return found;
  throw new FleetError("not-found", `no device is of batch ${batch}`, {
    hint: `a batch is the tag lot:${batch}, or the id of the claim the devices enrolled with`,
  });
}

async function requireDevice(tx: Transaction, id: string): Promise<DeviceRecord> {
  const device = await tx.devices.find(id);
  if (device === undefined) throw new FleetError("not-found", `there is no device ${id}`);
  return device;
}

/** The certificate of a serial, whichever of our issuers made it; serials are random enough to be one issuer's only. */
export async function findIssued(
  { knownIssuers }: Pick<RevocationParts, "knownIssuers">,
  tx: Transaction,
  serial: string,
): Promise<CertificateRecord | undefined> {
  for (const issuer of knownIssuers()) {
    const found = await tx.certificates.findBySerial(issuer, serial);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function requireCertificate(parts: RevocationParts, tx: Transaction, serial: string): Promise<CertificateRecord> {
  const certificate = await findIssued(parts, tx, serial);
  if (certificate === undefined) throw new FleetError("not-found", `no certificate has serial ${serial}`);
  return certificate;
}

/** These are about CAs and deltas. */
const unfitReasons = new Set(["removeFromCRL", "cACompromise", "aACompromise"]);
const maxSelected = 100_000;
