import {
  encodeTpmKey,
  FleetError,
  formatPcrSelections,
  type KeyAlgorithm,
  keyAlgorithmOf,
  type PcrSelection,
  parsePcrSelections,
  parsePublicArea,
  parseTpmKey,
  pemDecode,
  pemEncode,
  spkiOfPublicArea,
  spkiSha256,
  type TpmKeyBlob,
} from "@fleetcert/shared";
import { signingKeyTemplate, underPolicy } from "./templates.ts";

/** A TPM key as it lies in a file: of use only with the TPM that made it. */
export interface TpmKeyFile {
  /** SHA-256 of the SPKI, lower-case hex. */
  readonly id: string;
  readonly label: string;
  readonly algorithm: KeyAlgorithm;
  readonly spki: Uint8Array;
  readonly blob: TpmKeyBlob;
  /** The PCRs it is bound to; empty for none. */
  readonly pcrs: readonly PcrSelection[];
}

/**
 * Writes a key file: a line with the label, one with the PCRs of a key that is bound to some, and a `TSS2 PRIVATE KEY`
 * block, which OpenSSL's tpm2 provider reads too.
 */
export function formatTpmKeyFile({ label, blob, pcrs }: Pick<TpmKeyFile, "label" | "blob" | "pcrs">): string {
  const bound = pcrs.length === 0 ? "" : `pcrs: ${formatPcrSelections(pcrs)}\n`;
  return `label: ${label}\n${bound}${pemEncode(pemLabel, encodeTpmKey(blob))}`;
}

/** Reads a key file; throws `key-store-unavailable` when it is not one, `key-attributes-wrong` when it is not ours. */
export function parseTpmKeyFile(name: string, text: string): TpmKeyFile {
  const [, label, bound] = /^label: ([ -~]{1,128})\n(?:pcrs: ([ -~]{1,256})\n)?/.exec(text) ?? [];
  if (label === undefined) throw damaged(name);
  try {
    const [der = new Uint8Array(0)] = pemDecode(text, pemLabel);
    const blob = parseTpmKey(der);
    return keyFile(label, blob, bound === undefined ? [] : parsePcrSelections(bound));
  } catch (cause) {
    if (!(cause instanceof FleetError) || cause.code === "key-attributes-wrong") throw cause;
    throw damaged(name, cause);
  }
}

/** What a key that was just made will be in its file. Throws `key-attributes-wrong`, `key-weak` or `attestation-invalid`. */
export function keyFile(label: string, blob: TpmKeyBlob, pcrs: readonly PcrSelection[]): TpmKeyFile {
  const area = parsePublicArea(blob.publicArea);
  const plain = signingKeyTemplate("P-256");
  const { attributes } = pcrs.length === 0 ? plain : underPolicy(plain, area.authPolicy);
  const spki = spkiOfPublicArea(area);
  const id = spkiSha256(spki);
  if (area.attributes !== attributes) {
    throw new FleetError("key-attributes-wrong", `key ${id} is not one that a TPM made for signing and keeps`, {
      hint: "another program made it; destroy it and enrol again",
    });
  }
  return { id, label, algorithm: keyAlgorithmOf(spki), spki, blob, pcrs };
}

const damaged = (name: string, cause?: unknown): FleetError =>
  new FleetError("key-store-unavailable", `the key file ${name} is damaged`, {
    hint: "restore it from a backup of this machine, or remove it and enrol again",
    cause,
  });

const pemLabel = "TSS2 PRIVATE KEY";
