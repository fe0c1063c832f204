import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeEnvelope, decodeTrustBundle } from "@fleetcert/proto";
import { FleetError, pemDecode, pemEncode } from "@fleetcert/shared";
import type { DataPaths } from "./data-directory.ts";
import { readText } from "./data-directory.ts";
import { writeDurably } from "./write-durably.ts";

/** The CA as it lies on disk; the keys lie in their providers. */
export interface PkiFiles {
  /** DER. */
  readonly root: Uint8Array;
  readonly issuing: Uint8Array;
  readonly issuingKeyRef: string;
  readonly rootKeyRef: string;
}

/** Writes certificates as PEM and which key belongs to which. */
export async function writePkiFiles(paths: DataPaths, pki: PkiFiles): Promise<void> {
  await writeDurably(join(paths.ca, "root.pem"), pemEncode("CERTIFICATE", pki.root), 0o644);
  await writeDurably(join(paths.ca, "issuing.pem"), pemEncode("CERTIFICATE", pki.issuing), 0o644);
  const refs = { issuingKeyRef: pki.issuingKeyRef, rootKeyRef: pki.rootKeyRef };
  await writeDurably(join(paths.ca, "ca.json"), `${JSON.stringify(refs, undefined, 2)}\n`);
}

/** Reads what {@link writePkiFiles} wrote. Throws `data-directory`. */
export async function readPkiFiles(paths: DataPaths): Promise<PkiFiles> {
  const refs = readRefs(join(paths.ca, "ca.json"), await readText(join(paths.ca, "ca.json")));
  const certificate = async (name: string): Promise<Uint8Array> => {
    const path = join(paths.ca, name);
    const [der] = readPem(path, await readText(path));
    if (der === undefined) throw damaged(path, "no certificate");
    return der;
  };
  return { root: await certificate("root.pem"), issuing: await certificate("issuing.pem"), ...refs };
}

/** Keeps one version of the trust bundle; every version stays. Its roots lie as PEM beside it, for people and their programs. */
export async function writeBundle(paths: DataPaths, version: number, envelope: Uint8Array): Promise<void> {
  await writeDurably(bundlePath(paths, version), envelope, 0o644);
  const { roots } = decodeTrustBundle(decodeEnvelope(envelope).payload);
  const pem = roots.map((der) => pemEncode("CERTIFICATE", der)).join("");
  await writeDurably(join(paths.ca, "roots.pem"), pem, 0o644);
}

/** Every kept version, oldest first. Throws `data-directory` when there is none. */
export async function readBundles(paths: DataPaths): Promise<Uint8Array[]> {
  const names = await readdir(paths.trust).catch((cause: Error) => {
    throw new FleetError("data-directory", `${paths.trust} cannot be read: ${cause.message}`, { cause });
  });
  const versions = names
    .flatMap((name) => /^bundle-([1-9][0-9]{0,8})\.bin$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  if (versions.length === 0)
    throw new FleetError("data-directory", `${paths.trust} holds no trust bundle`, { hint: restore });
  return await Promise.all(versions.map((version) => readBundle(bundlePath(paths, version))));
}

async function readBundle(path: string): Promise<Uint8Array> {
  const envelope = new Uint8Array(await readFile(path));
  try {
    decodeTrustBundle(decodeEnvelope(envelope).payload);
    return envelope;
  } catch (cause) {
    throw damaged(path, "no trust bundle", cause);
  }
}

function readRefs(path: string, text: string): Pick<PkiFiles, "issuingKeyRef" | "rootKeyRef"> {
  try {
    const { issuingKeyRef, rootKeyRef } = JSON.parse(text) as Record<string, unknown>;
    if (typeof issuingKeyRef === "string" && typeof rootKeyRef === "string") return { issuingKeyRef, rootKeyRef };
  } catch (cause) {
    throw damaged(path, "no references to keys", cause);
  }
  throw damaged(path, "no references to keys");
}

function readPem(path: string, text: string): Uint8Array[] {
  try {
    return pemDecode(text, "CERTIFICATE");
  } catch (cause) {
    throw damaged(path, "no certificate", cause);
  }
}

function damaged(path: string, what: string, cause?: unknown): FleetError {
  return new FleetError("data-directory", `${path} holds ${what}`, { hint: restore, cause });
}

const bundlePath = (paths: DataPaths, version: number): string => join(paths.trust, `bundle-${version}.bin`);
const restore = "put the file back from the last backup of the data directory";
