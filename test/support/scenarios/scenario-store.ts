import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseCertificate, parseCrl, Serial, sha256Hex } from "@fleetcert/shared";
import { openSqliteStore } from "../../../controller/src/adapters/store/sqlite/open-store.ts";
import { verifyAudit } from "../../../controller/src/audit/verify-audit.ts";

/**
 * Judges the store of a controller that is not running by the invariants that a crash may not break; one sentence for
 * each violation, with the invariant's name. Reads the tables themselves, so that it shares no query with the controller.
 */
export async function storeFaults(data: string): Promise<string[]> {
  const rows = readTables(data);
  return [
    ...intentFaults(rows),
    ...abortedFaults(rows),
    ...listFaults(rows),
    ...duplicateFaults(rows),
    ...claimFaults(rows),
    ...epochFaults(rows, await anchoredEpochs(data)),
    ...(await auditFaults(data)),
  ];
}

/** The highest epoch the store of a controller that is not running knows; 0 before the first. */
export function latestEpoch(data: string): number {
  return Math.max(0, ...readTables(data).epochs.map(({ epoch }) => epoch));
}

/** What the store of a controller that is not running holds of a device, newest generation first. */
export function certificatesOf(data: string, device: string): CertificateRow[] {
  const ours = readTables(data).certificates.filter((row) => row.device === device);
  return ours.toSorted((a, b) => b.generation - a.generation);
}

interface CertificateRow {
  readonly sha256: string;
  readonly der: Uint8Array;
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
  readonly serial: string;
  readonly spkiSha256: string;
  readonly notAfter: number;
  readonly state: string;
}

interface Tables {
  readonly certificates: readonly CertificateRow[];
  readonly intents: readonly {
    readonly tbsSha256: string;
    readonly kind: string;
    readonly serial: string;
    readonly shard: number;
    readonly claimId: string;
    readonly state: string;
  }[];
  readonly crls: readonly { readonly shard: number; readonly epoch: number; readonly der: Uint8Array }[];
  readonly revocations: readonly { readonly serial: string; readonly shard: number; readonly epoch: number }[];
  readonly epochs: readonly { readonly epoch: number; readonly issuer: string; readonly thisUpdate: number }[];
  readonly claims: readonly { readonly id: string; readonly uses: number }[];
  readonly audit: readonly { readonly sequence: number; readonly action: string; readonly tbsSha256: string | null }[];
}

function readTables(data: string): Tables {
  const database = new DatabaseSync(join(data, "store.db"));
  try {
    const all = <T>(sql: string) => database.prepare(sql).all() as T[];
    return {
      certificates: all(
        `select sha256, der, device, slot, generation, serial, spki_sha256 "spkiSha256", not_after "notAfter", state
         from certificates`,
      ),
      intents: all(
        `select tbs_sha256 "tbsSha256", kind, serial, shard, claim_id "claimId", state from intents order by opened_at`,
      ),
      crls: all("select shard, epoch, der from crls order by epoch"),
      revocations: all("select serial, shard, epoch from revocations"),
      epochs: all(`select epoch, issuer, this_update "thisUpdate" from epochs order by epoch`),
      claims: all("select id, uses from claims"),
      audit: all(
        `select sequence, action, json_extract(details, '$.tbsSha256') "tbsSha256" from audit order by sequence`,
      ),
    };
  } finally {
    database.close();
  }
}

/** Every intent is closed, and what was signed has one that was written down before. */
function intentFaults({ certificates, crls, intents, audit }: Tables): string[] {
  const open = intents
    .filter(({ state }) => state === "open")
    .map(({ serial }) => `I2: the intent of ${serial} is open`);
  const signed = [
    ...certificates.map(({ der, serial }) => ({ tbs: parseCertificate(der).tbs, what: serial, kind: "certificate" })),
    ...crls.map(({ der, epoch }) => ({ tbs: parseCrl(der).tbs, what: `CRL ${epoch}`, kind: "crl" })),
  ];
  const issuedBy = { certificate: "certificate.issued", crl: "crl.published" } as Readonly<Record<string, string>>;
  const unannounced = signed.flatMap(({ tbs, what, kind }) => {
    const hash = sha256Hex(tbs);
    const intent = intents.find(({ tbsSha256 }) => tbsSha256 === hash);
    if (intent?.state !== "issued" || intent.kind !== kind) return [`I2: ${what} was signed without an issued intent`];
    const entries = audit.filter(({ tbsSha256 }) => tbsSha256 === hash).map(({ action }) => action);
    const expected = [`${kind}.intent`, issuedBy[kind]];
    return entries.join() === expected.join() ? [] : [`I2: the audit of ${what} is ${entries.join(", ")}`];
  });
  return [...open, ...unannounced];
}

/** The serial of an aborted issuance is nobody's, and published as revoked. */
function abortedFaults({ intents, certificates, revocations }: Tables): string[] {
  const aborted = intents.filter(({ kind, state }) => kind === "certificate" && state === "aborted");
  return aborted.flatMap(({ serial }) => {
    if (certificates.some((one) => one.serial === serial)) return [`I2: aborted ${serial} has a certificate`];
    const burnt = revocations.find((one) => one.serial === serial);
    return burnt === undefined || burnt.epoch === 0 ? [`I2: aborted ${serial} is not published as revoked`] : [];
  });
}

/** The newest list of a shard holds every revocation that was published. */
function listFaults({ crls, revocations }: Tables): string[] {
  return revocations.flatMap(({ serial, shard, epoch }) => {
    if (epoch === 0) return [`I3: the revocation of ${serial} was never published`];
    const newest = crls.findLast((crl) => crl.shard === shard);
    const isListed = newest !== undefined && parseCrl(newest.der).find(Serial.parse(serial)) !== undefined;
    return isListed ? [] : [`I3: ${serial} is missing from the newest list of shard ${shard}`];
  });
}

function duplicateFaults({ certificates }: Tables): string[] {
  const ofDevices = certificates.filter(({ device }) => device !== "");
  const perRequest = Map.groupBy(ofDevices, ({ device, slot, generation, spkiSha256 }) =>
    [device, slot, generation, spkiSha256].join(" "),
  );
  const live = ofDevices.filter(({ state, notAfter }) => state !== "revoked" && notAfter > Date.now());
  const perSlot = Map.groupBy(live, ({ device, slot }) => `${device} ${slot}`);
  return [
    ...[...perRequest].filter(([, same]) => same.length > 1).map(([request]) => `I5: two certificates for ${request}`),
    ...[...perSlot].filter(([, same]) => same.length > 2).map(([slot, same]) => `I5: ${same.length} live in ${slot}`),
  ];
}

/** A use is counted exactly for each certificate that was issued under the claim. */
function claimFaults({ claims, intents }: Tables): string[] {
  return claims.flatMap(({ id, uses }) => {
    const issued = intents.filter(({ claimId, state }) => claimId === id && state === "issued").length;
    return issued === uses ? [] : [`I4: claim ${id} counts ${uses} uses for ${issued} certificates`];
  });
}

function epochFaults({ epochs }: Tables, anchored: ReadonlyMap<string, number>): string[] {
  return epochs.flatMap(({ epoch, issuer, thisUpdate }, index) => {
    const before = epochs[index - 1];
    if (before !== undefined && before.thisUpdate > thisUpdate)
      return [`I3: epoch ${epoch} is older than the one before`];
    return epoch <= (anchored.get(issuer) ?? 0) ? [] : [`I3: epoch ${epoch} was published before it was anchored`];
  });
}

async function anchoredEpochs(data: string): Promise<Map<string, number>> {
  const counters = JSON.parse(await readFile(join(data, "anchor.json"), "utf8")) as Record<string, number>;
  return new Map(Object.entries(counters).map(([name, value]) => [name.replace(/^epoch\//, ""), value]));
}

async function auditFaults(data: string): Promise<string[]> {
  const store = await openSqliteStore({ path: join(data, "store.db"), create: "never" });
  try {
    const { ok, firstBad } = await verifyAudit(store);
    return ok ? [] : [`I9: audit entry ${firstBad?.sequence} is bad: ${firstBad?.why}`];
  } finally {
    await store.close();
  }
}
