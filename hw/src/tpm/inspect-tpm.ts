import { readAlgorithms, readCurves, readFacts, readLockout, readPcrBanks } from "./commands/capabilities.ts";
import { Tpm } from "./tpm.ts";

/** What a TPM says of itself to anybody. */
export interface TpmInspection {
  /** Four letters of the TCG vendor registry. */
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  /** Kinds of device keys it can make. */
  readonly keyAlgorithms: readonly string[];
  /** Names of curves; those without a name here as their number. */
  readonly curves: readonly string[];
  /** How many algorithms it implements. */
  readonly algorithmCount: number;
  readonly pcrBanks: readonly { readonly hash: string; readonly pcrs: number }[];
  readonly lockout: {
    readonly isLockedOut: boolean;
    /** Failed authorisations that count at present, and how many lock the TPM. */
    readonly failures: number;
    readonly limit: number;
    /** Seconds until one failure is forgotten; 0 for never. */
    readonly recovery: number;
  };
}

/** See `inspectTpm`. */
export function readTpmProperties(address: string): TpmInspection {
  const tpm = Tpm.acquire(address);
  try {
    const { connection, algorithms } = tpm;
    // Asked anew: whoever shares the connection may have opened it long ago.
    const { manufacturer, model, firmware, isLockedOut } = readFacts(connection);
    return {
      ...{ manufacturer, model, firmware },
      keyAlgorithms: algorithms,
      curves: [...readCurves(connection)].map((id) => curveNames[id] ?? `0x${id.toString(16)}`),
      algorithmCount: readAlgorithms(connection).size,
      pcrBanks: readPcrBanks(connection).map(({ id, pcrs }) => ({
        hash: hashNames[id] ?? `0x${id.toString(16)}`,
        pcrs,
      })),
      lockout: { isLockedOut, ...readLockout(connection) },
    };
  } finally {
    tpm.release();
  }
}

/** TPM_ECC_CURVE (TCG Algorithm Registry §6.4). */
const curveNames: Readonly<Record<number, string>> = {
  1: "P-192",
  2: "P-224",
  3: "P-256",
  4: "P-384",
  5: "P-521",
  16: "BN-256",
  17: "BN-638",
  32: "SM2",
};

/** TPM_ALG_ID of hashes (TCG Algorithm Registry §6.3). */
const hashNames: Readonly<Record<number, string>> = {
  4: "sha1",
  11: "sha256",
  12: "sha384",
  13: "sha512",
  18: "sm3-256",
  39: "sha3-256",
  40: "sha3-384",
  41: "sha3-512",
};
