/** What a TPM is and holds (Part 3 §22, §30). */
import { type PcrSelection, readPcrSelections, tpmAlgorithms, tpmJoin, tpmU32 } from "@fleetcert/shared";
import type { TpmConnection } from "../tpm-connection.ts";
import { encodePcrSelections } from "./attestation.ts";

/** Fixed properties of a TPM, as its maker set them. */
export interface TpmFacts {
  /** Four letters of the TCG vendor registry. */
  readonly manufacturer: string;
  readonly model: string;
  /** Two numbers, as the maker counts them. */
  readonly firmware: string;
  /** Whether failed authorisations have locked the TPM (TPMA_PERMANENT.inLockout). */
  readonly isLockedOut: boolean;
}

/** TPM2_GetCapability of the fixed and permanent properties. */
export function readFacts(tpm: TpmConnection): TpmFacts {
  const fixed = readProperties(tpm, { first: 0x100, count: 64 });
  const text = (...properties: readonly number[]): string =>
    Buffer.concat(properties.map((property) => Buffer.from(tpmU32(fixed.get(property) ?? 0))))
      .toString("latin1")
      .replace(/[^ -~]/g, "")
      .trim();
  const permanent = readProperties(tpm, { first: 0x200, count: 1 }).get(0x200) ?? 0;
  return {
    manufacturer: text(0x105),
    model: text(0x106, 0x107, 0x108, 0x109),
    firmware: `${fixed.get(0x10b) ?? 0}.${fixed.get(0x10c) ?? 0}`,
    isLockedOut: (permanent & inLockout) !== 0,
  };
}

/** TPM2_GetCapability of what guards against guessing: failures that count, how many lock the TPM, seconds to forget one. */
export function readLockout(tpm: TpmConnection): { failures: number; limit: number; recovery: number } {
  const variable = readProperties(tpm, { first: 0x200, count: 64 });
  const [failures = 0, limit = 0, recovery = 0] = [0x20e, 0x20f, 0x210].map((property) => variable.get(property));
  return { failures, limit, recovery };
}

/** TPM2_GetCapability of the PCR banks, by number of their hash; one without a PCR is switched off and left out. */
export function readPcrBanks(tpm: TpmConnection): { readonly id: number; readonly pcrs: number }[] {
  const banks = getCapability(tpm, { capability: 5, first: 0, count: 16 }, (reader) => {
    const id = reader.u16();
    const bits = reader.take(reader.u8());
    const pcrs = bits.reduce((count, octet) => count + octet.toString(2).replaceAll("0", "").length, 0);
    return { id, pcrs };
  });
  return banks.filter(({ pcrs }) => pcrs > 0);
}

/** TPM2_GetCapability of the handles of a kind: its first octet. */
export function readHandles(tpm: TpmConnection, kind: number): number[] {
  return getCapability(tpm, { capability: 1, first: kind * 0x1000000, count: 64 }, (reader) => reader.u32());
}

/** TPM2_GetCapability of the algorithms that are implemented, by number. */
export function readAlgorithms(tpm: TpmConnection): ReadonlySet<number> {
  const read = getCapability(tpm, { capability: 0, first: 0, count: 254 }, (reader) => {
    const id = reader.u16();
    reader.u32();
    return id;
  });
  return new Set(read);
}

/** TPM2_GetCapability of the elliptic curves, by number. */
export function readCurves(tpm: TpmConnection): ReadonlySet<number> {
  return new Set(getCapability(tpm, { capability: 8, first: 0, count: 64 }, (reader) => reader.u16()));
}

/** TPM2_PCR_Read: values of the PCRs, banks as asked, indices ascending. A PCR that is not there is left out. */
export function readPcrs(tpm: TpmConnection, pcrs: readonly PcrSelection[]): Uint8Array[] {
  return pcrs.flatMap(({ hash, indices }) =>
    [...indices].sort((left, right) => left - right).flatMap((index) => readPcr(tpm, { hash, indices: [index] })),
  );
}

function readPcr(tpm: TpmConnection, pcr: PcrSelection): Uint8Array[] {
  return tpm.run({ name: "TPM2_PCR_Read", code: 0x17e, parameters: encodePcrSelections([pcr]) }, ({ parameters }) => {
    parameters.u32();
    readPcrSelections(parameters);
    const count = parameters.u32();
    if (count > 1) throw parameters.invalid(`${count} values of one PCR`);
    return Array.from({ length: count }, () => parameters.sized(64).slice());
  });
}

function readProperties(tpm: TpmConnection, range: { first: number; count: number }): ReadonlyMap<number, number> {
  const pairs = getCapability(tpm, { capability: 6, ...range }, (reader) => [reader.u32(), reader.u32()] as const);
  return new Map(pairs);
}

type Reader = Parameters<Parameters<TpmConnection["run"]>[1]>[0]["parameters"];

function getCapability<T>(
  tpm: TpmConnection,
  { capability, first, count }: { readonly capability: number; readonly first: number; readonly count: number },
  readItem: (reader: Reader) => T,
): T[] {
  const parameters = tpmJoin(tpmU32(capability), tpmU32(first), tpmU32(count));
  return tpm.run({ name: "TPM2_GetCapability", code: 0x17a, parameters }, ({ parameters: reader }) => {
    reader.u8();
    if (reader.u32() !== capability) throw reader.invalid("another capability");
    const found = reader.u32();
    if (found > count) throw reader.invalid(`${found} items where ${count} were asked`);
    return Array.from({ length: found }, () => readItem(reader));
  });
}

const inLockout = 0x200;

/** TPM_ALG_ID and TPM_ECC_CURVE that the keys made here need. */
export const neededFor = {
  "P-256": { algorithms: [tpmAlgorithms.ecc, tpmAlgorithms.ecdsa], curve: 0x0003 },
  "RSA-2048": { algorithms: [tpmAlgorithms.rsa, tpmAlgorithms.rsassa, tpmAlgorithms.rsapss], curve: undefined },
} as const;
