import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type EndorsementPolicy, FleetError, parseCertificate, pemDecode } from "@fleetcert/shared";

/** The settings that say which TPMs may prove keys. */
export interface EndorsementSettings {
  readonly manufacturerRoots: readonly string[];
  readonly manufacturerCas: readonly string[];
  readonly endorsementKeys: readonly string[];
}

/** Reads the certificates that the settings name. Throws `config-invalid` for a file that holds none, or anything else. */
export async function readEndorsements(root: string, settings: EndorsementSettings): Promise<EndorsementPolicy> {
  const read = async (names: readonly string[]): Promise<Uint8Array[]> =>
    (await Promise.all(names.map((name) => readCertificates(resolve(root, name))))).flat();
  return {
    roots: await read(settings.manufacturerRoots),
    intermediates: await read(settings.manufacturerCas),
    allowed: new Set(settings.endorsementKeys),
  };
}

async function readCertificates(path: string): Promise<Uint8Array[]> {
  try {
    const certificates = pemDecode(await readFile(path, "utf8"), "CERTIFICATE");
    if (certificates.length === 0) throw new FleetError("certificate-invalid", "the file holds no certificate");
    for (const der of certificates) parseCertificate(der);
    return certificates;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FleetError("config-invalid", `attestation: ${path}: ${why}`, {
      cause,
      hint: "name PEM files with the certificates of the TPMs' manufacturers",
    });
  }
}
