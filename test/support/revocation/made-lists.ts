import { copyFileSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { decodeEnvelope, decodeTrustBundle, type TrustBundle } from "@fleetcert/proto";
import {
  assembleSigned,
  isFleetError,
  lintCrl,
  parseCertificate,
  parseCrl,
  sha256Hex,
  spkiSha256,
} from "@fleetcert/shared";
import type { CertificateAuthority } from "../../../controller/src/ports.ts";

/** Where the lists of this run are gathered; unset outside a test run. */
export const madeListsVariable = "FLEETCERT_MADE_LISTS";

/** Which rules a list is under: of everything its issuer made, of one shard, or what changed since another list. */
export type ListKind = "full" | "shard" | "delta";

/**
 * Keeps a list that a test let the product make, once however often it is made, for the check of all lists at the end of the
 * run (`made-lists-check.ts`). Throws at once for one that our lint finds fault with, so that its test fails.
 */
export function keepMadeList(der: Uint8Array, issuer: Uint8Array): void {
  const folder = process.env[madeListsVariable];
  // A benchmark is no test: it measures the product alone.
  if (folder === undefined) return;
  const defects = lintCrl(der);
  if (defects.length > 0) throw new Error(`a list was made with defects: ${defects.join(", ")}`);
  const issuerFile = join(folder, `${sha256Hex(issuer)}.issuer`);
  if (!existsSync(issuerFile)) writeFileSync(issuerFile, issuer);
  writeFileSync(join(folder, `${kindOf(der)}.${sha256Hex(der)}.${sha256Hex(issuer)}.list`), der);
}

/** An authority whose lists are kept as soon as they are signed, whatever becomes of them. */
export function keepingLists(authority: CertificateAuthority): CertificateAuthority {
  const { signer, certificate } = authority;
  const sign = async (tbs: Uint8Array): Promise<Uint8Array> => {
    const signature = await signer.sign(tbs);
    if (isListToSign(tbs)) keepMadeList(assembleSigned(tbs, signer.algorithm, signature), certificate);
    return signature;
  };
  return { ...authority, signer: Object.assign(Object.create(signer), { sign }) };
}

/** Keeps the lists of roots that a signed trust bundle carries. */
export function keepListsOfBundle(envelope: Uint8Array): void {
  keepRootLists(decodeTrustBundle(decodeEnvelope(envelope).payload));
}

function keepRootLists({ rootLists, roots }: TrustBundle): void {
  for (const der of rootLists) keepMadeList(der, issuerOf(der, roots));
}

/** None where a test has spoilt the file on purpose. */
function bundleIn(file: string): TrustBundle[] {
  try {
    return [decodeTrustBundle(decodeEnvelope(readFileSync(file)).payload)];
  } catch (error) {
    if (isFleetError(error)) return [];
    throw error;
  }
}

/** Keeps every list in the stores and trust bundles below a folder: those of controllers that ran as programs do. */
export function keepListsBelow(folder: string): void {
  const bundles = globSync("**/trust/bundle-*.bin", { cwd: folder }).flatMap((file) => bundleIn(join(folder, file)));
  for (const bundle of bundles) keepRootLists(bundle);
  const issuers = bundles.flatMap((bundle) => bundle.issuers);
  for (const file of globSync("**/store.db", { cwd: folder })) keepListsOfStore(join(folder, file), issuers);
}

function keepListsOfStore(file: string, issuers: readonly Uint8Array[]): void {
  const byId = new Map(issuers.map((der) => [spkiSha256(parseCertificate(der).spki), der]));
  for (const { issuer, der, deltaDer } of storedLists(file)) {
    const certificate = byId.get(issuer);
    // A controller whose bundle is not below the folder, or was spoilt on purpose.
    if (certificate === undefined) continue;
    keepMadeList(der, certificate);
    if (deltaDer !== null) keepMadeList(deltaDer, certificate);
  }
}

interface StoredRow {
  readonly issuer: string;
  readonly der: Uint8Array;
  readonly deltaDer: Uint8Array | null;
}

/** Of a copy: opening a store that was killed would recover it in place of the controller. */
function storedLists(file: string): StoredRow[] {
  const scratch = mkdtempSync(join(tmpdir(), "fleetcert-lists-"));
  try {
    for (const end of ["", "-wal"])
      if (existsSync(file + end)) copyFileSync(file + end, join(scratch, `store.db${end}`));
    const database = new DatabaseSync(join(scratch, "store.db"));
    try {
      return database.prepare(`select issuer, der, delta_der "deltaDer" from crls`).all() as unknown as StoredRow[];
    } finally {
      database.close();
    }
  } catch {
    // Stores that a test has spoilt on purpose cannot be read; the controller must not have made lists of them either.
    return [];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** RFC 5280 §5.1.2.1: a list to be signed begins with its version, an INTEGER; a certificate with [0]. */
function isListToSign(tbs: Uint8Array): boolean {
  const lengthOctets = (tbs[1] as number) < 0x80 ? 1 : 1 + ((tbs[1] as number) & 0x7f);
  return tbs[0] === 0x30 && tbs[1 + lengthOctets] === 0x02;
}

function kindOf(der: Uint8Array): ListKind {
  const { deltaBase, issuingDistributionPoint } = parseCrl(der);
  if (deltaBase !== undefined) return "delta";
  return issuingDistributionPoint === undefined ? "full" : "shard";
}

function issuerOf(der: Uint8Array, roots: readonly Uint8Array[]): Uint8Array {
  const { issuer } = parseCrl(der);
  const found = roots.find((root) => parseCertificate(root).subject.equals(issuer));
  if (found === undefined) throw new Error("a bundle carries a list of a root that is not in it");
  return found;
}
