import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lintCrl, parseCertificate, parseCrl, pemEncode, verifyCrl } from "@fleetcert/shared";
import { gnutlsPart } from "../programs/certtool.ts";
import { opensslVersion } from "../programs/openssl.ts";
import type { ListKind } from "./made-lists.ts";

/** What came of the check of all lists of a run. */
export interface ListsReport {
  /** One sentence each; empty when all is well. */
  readonly faults: readonly string[];
  /** How many there were, and how many the other programs looked at, by kind. */
  readonly counts: Readonly<Record<ListKind, { readonly made: number; readonly shownToOthers: number }>>;
  /** Programs that are not on this machine. */
  readonly missing: readonly string[];
}

/**
 * Checks the lists gathered in a folder: each by our parser, lint and signature check, and of each kind so many, in the order of
 * their hashes, by OpenSSL (signature, ASN.1 as it reads it) and GnuTLS (signature, content).
 */
export function checkMadeLists(folder: string, { perKind }: { readonly perKind: number }): ListsReport {
  const lists = readdirSync(folder)
    .filter((name) => name.endsWith(".list"))
    .sort()
    .map((name) => madeList(folder, name));
  const programs = others.filter(({ isPresent }) => isPresent);
  const counts = {
    full: { made: 0, shownToOthers: 0 },
    shard: { made: 0, shownToOthers: 0 },
    delta: { made: 0, shownToOthers: 0 },
  };
  const faults: string[] = [];
  for (const list of lists) {
    const count = counts[list.kind];
    count.made += 1;
    faults.push(...ownFaults(list));
    if (count.shownToOthers >= perKind) continue;
    count.shownToOthers += 1;
    for (const { faultOf } of programs) faults.push(...faultOf(list).map((fault) => `${fault}: ${list.name}`));
  }
  return { faults, counts, missing: others.filter(({ isPresent }) => !isPresent).map(({ name }) => name) };
}

interface MadeList {
  readonly name: string;
  readonly kind: ListKind;
  readonly der: Uint8Array;
  readonly issuer: Uint8Array;
}

function madeList(folder: string, name: string): MadeList {
  const [kind, , issuer] = name.split(".");
  const der = new Uint8Array(readFileSync(join(folder, name)));
  return { name, kind: kind as ListKind, der, issuer: new Uint8Array(readFileSync(join(folder, `${issuer}.issuer`))) };
}

function ownFaults({ name, der, issuer }: MadeList): string[] {
  const defects = lintCrl(der).map((defect) => `our lint finds ${defect}: ${name}`);
  try {
    verifyCrl({ crl: parseCrl(der), issuer: parseCertificate(issuer) });
    return defects;
  } catch (error) {
    return [...defects, `we refuse it, ${(error as Error).message}: ${name}`];
  }
}

/** Programs that are not ours. */
const others = [
  { name: "openssl", isPresent: opensslVersion() !== undefined, faultOf: opensslFaults },
  { name: gnutlsPart.name, isPresent: gnutlsPart.isPresent, faultOf: gnutlsFaults },
] as const;

function opensslFaults(list: MadeList): string[] {
  return withFiles(list, (cwd) => {
    const verified = run(
      "openssl",
      ["crl", "-inform", "DER", "-in", "list.der", "-noout", "-CAfile", "ca.pem", "-verify"],
      cwd,
    );
    // It exits with 0 whatever it finds.
    const isVerified = verified.status === 0 && /verify OK/.test(verified.output);
    const parsed = run("openssl", ["asn1parse", "-inform", "DER", "-in", "list.der"], cwd);
    const isParsed = parsed.status === 0 && !/Error/i.test(parsed.output);
    return [
      ...(isVerified ? [] : [`openssl crl -verify says ${verified.output.trim()}`]),
      ...(isParsed ? [] : [`openssl asn1parse says ${parsed.output.trim().slice(-200)}`]),
    ];
  });
}

function gnutlsFaults(list: MadeList): string[] {
  return withFiles(list, (cwd) => {
    const shown = run("certtool", ["--crl-info", "--inder", "--infile", "list.der"], cwd);
    const verified = run("certtool", ["--verify-crl", "--load-ca-certificate", "ca.pem", "--infile", "list.pem"], cwd);
    const verdict = /^Verification output:(.*)$/m.exec(verified.output)?.[1] ?? "nothing";
    const isSigned = harmless.reduce((rest, words) => rest.replace(words, ""), verdict).trim() === "";
    return [
      ...(shown.status === 0 && !/error/i.test(shown.output)
        ? []
        : [`certtool --crl-info says ${shown.output.trim()}`]),
      ...(isSigned ? [] : [`certtool --verify-crl says${verdict}`]),
    ];
  });
}

/** What GnuTLS may say of a list besides nothing: a test's clock may be years from this machine's. Of a bad signature it says more. */
const harmless = [
  "Not verified.",
  "Verified.",
  "The certificate is NOT trusted.",
  "The certificate is trusted.",
  "The revocation or OCSP data are old and have been superseded.",
  "The revocation or OCSP data are issued with a future date.",
];

function run(program: string, args: readonly string[], cwd: string) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8", timeout: 20_000 });
  return { status, output: `${stdout ?? ""}${stderr ?? ""}` };
}

function withFiles<T>({ der, issuer }: MadeList, work: (cwd: string) => T): T {
  const cwd = mkdtempSync(join(tmpdir(), "fleetcert-list-"));
  try {
    writeFileSync(join(cwd, "list.der"), der);
    writeFileSync(join(cwd, "list.pem"), pemEncode("X509 CRL", der));
    writeFileSync(join(cwd, "ca.pem"), pemEncode("CERTIFICATE", issuer));
    return work(cwd);
  } finally {
    rmSync(cwd, { recursive: true });
  }
}
