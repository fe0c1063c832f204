import type { TrustBundle } from "@fleetcert/proto";
import {
  assembleSigned,
  type Certificate,
  type CrlEntryTemplate,
  type Duration,
  encodeTbsCrl,
  FleetError,
  type Instant,
  lintCrl,
  parseCertificate,
  parseCrl,
  type Serial,
  type Signer,
  sha256Hex,
  spkiSha256,
  subjectKeyIdOf,
  verifyCrl,
} from "@fleetcert/shared";
import type { RootRecords } from "./sign-ca.ts";

/**
 * Signs the root's own revocation list in the order of I2: what it revokes are issuing CAs. Its number is the version of the
 * trust bundle that carries it. Throws `issued-mismatch`.
 */
export async function signRootList(
  records: RootRecords,
  list: {
    readonly root: Certificate;
    readonly signer: Signer;
    readonly number: number;
    readonly now: Instant;
    readonly entries: readonly CrlEntryTemplate[];
  },
): Promise<Uint8Array> {
  const { root, signer, number, now, entries } = list;
  const tbs = encodeTbsCrl({
    issuer: root.subject.der,
    authorityKeyId: root.subjectKeyId ?? subjectKeyIdOf(root.spki),
    thisUpdate: wholeSecond(now - backdate),
    nextUpdate: wholeSecond(Math.min(now + rootListLifetime, Math.max(root.notAfter, now + backdate))),
    crlNumber: number,
    entries,
    signatureAlgorithmOf: signer.algorithm,
  });
  const tbsSha256 = sha256Hex(tbs);
  const intent = { kind: "crl" as const, target: "root list", tbsSha256 };
  await records.recordIntent(intent);
  const der = assembleSigned(tbs, signer.algorithm, await signer.sign(tbs));
  const crl = parseCrl(der);
  const defects = lintCrl(der);
  if (defects.length > 0 || crl.entryCount !== entries.length || sha256Hex(crl.tbs) !== tbsSha256) {
    throw new FleetError("issued-mismatch", `the root's list is not what was asked for: ${defects.join(", ")}`);
  }
  verifyCrl({ crl, issuer: root });
  await records.recordOutcome({ ...intent, sha256: sha256Hex(der) });
  return der;
}

/**
 * The lists of a renewed bundle: this root's is signed anew with what it named before, those of other roots that are trusted
 * still stay.
 */
export async function renewRootLists(
  records: RootRecords,
  renewal: {
    readonly current: TrustBundle;
    readonly root: Certificate;
    readonly signer: Signer;
    readonly number: number;
    readonly now: Instant;
    /** Issuing CAs that are revoked from now on. */
    readonly revoked: readonly Certificate[];
    /** Those of the renewed bundle. */
    readonly roots: readonly Certificate[];
  },
): Promise<Uint8Array[]> {
  const { current, root, now, revoked, roots } = renewal;
  const others: Uint8Array[] = [];
  const entries: CrlEntryTemplate[] = [];
  for (const der of current.rootLists) {
    const list = parseCrl(der);
    if (list.issuer.equals(root.subject)) entries.push(...list.entries());
    else if (roots.some(({ subject }) => list.issuer.equals(subject))) others.push(der);
  }
  // RFC 5280 §5.3.1: the reason of a CA whose key is no longer its own.
  const isNamed = (serial: Serial): boolean => entries.some((entry) => entry.serial.hex === serial.hex);
  for (const { serial } of revoked) {
    if (!isNamed(serial)) entries.push({ serial, revokedAt: now, reason: "cACompromise" });
  }
  return [...others, await signRootList(records, { ...renewal, root, now, entries })];
}

/** Where a root's list is served, as the certificates of its issuing CAs name it. */
export function rootListUri(crlBase: string, root: Pick<Certificate, "spki">): string {
  return `${crlBase}/crl/${spkiSha256(root.spki)}.crl`;
}

/** Those of the issuing CAs that the next bundle's root lists name for the first time, by SPKI SHA-256. */
export function newlyDistrusted(
  before: Pick<TrustBundle, "issuers" | "rootLists">,
  next: Pick<TrustBundle, "rootLists">,
): string[] {
  const known = distrustedSince(before);
  const now = distrustedSince({ issuers: before.issuers, rootLists: next.rootLists });
  return [...now.keys()].filter((id) => !known.has(id));
}

/** The issuing CAs that one of the roots' lists names, by SPKI SHA-256, and since when. */
export function distrustedSince({
  issuers,
  rootLists,
}: Pick<TrustBundle, "issuers" | "rootLists">): ReadonlyMap<string, Instant> {
  const lists = rootLists.map((der) => parseCrl(der));
  const found = new Map<string, Instant>();
  for (const { issuer, serial, spki } of issuers.map(parseCertificate)) {
    const entry = lists.find((list) => list.issuer.equals(issuer) && list.find(serial) !== undefined)?.find(serial);
    if (entry !== undefined) found.set(spkiSha256(spki), entry.revokedAt);
  }
  return found;
}

/** The list in a bundle of the root with this key, as it is served; undefined when there is none. */
export function rootListOf(bundle: TrustBundle, id: string): Uint8Array | undefined {
  const root = bundle.roots.map(parseCertificate).find(({ spki }) => spkiSha256(spki) === id);
  return root && bundle.rootLists.find((der) => parseCrl(der).issuer.equals(root.subject));
}

/** Whose lists a bundle has and how long they last. */
export function rootListsIn(
  bundle: TrustBundle,
): { readonly id: string; readonly number: number; readonly notAfter: Instant }[] {
  return bundle.roots.map(parseCertificate).flatMap(({ spki }) => {
    const id = spkiSha256(spki);
    const der = rootListOf(bundle, id);
    if (der === undefined) return [];
    const { crlNumber, thisUpdate, nextUpdate = thisUpdate } = parseCrl(der);
    return [{ id, number: Number(crlNumber), notAfter: nextUpdate }];
  });
}

const wholeSecond = (instant: Instant): Instant => Math.floor(instant / 1000) * 1000;

const hour: Duration = 3_600_000;
const backdate: Duration = hour;
/**
 * Twice a bundle's life: software that demands a list of the whole chain refuses everybody when the root's has ended, and the
 * root is seldom at hand. What it revokes reaches devices in the bundle, long before.
 */
const rootListLifetime: Duration = 800 * 24 * hour;
