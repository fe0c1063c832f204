import { attestationInvalid } from "./attestation-failure.ts";
import { maxNameBytes } from "./public-area.ts";
import { readTpmHash, type TpmHash } from "./tpm-algorithm.ts";
import { readTpm, type TpmReader } from "./tpm-reader.ts";

/** What a TPM attested (TPMS_ATTEST, Part 2 §10.12): who signed, over which nonce, and about what. */
export interface Attest {
  /** Qualified name of the signing key. */
  readonly qualifiedSigner: Uint8Array;
  /** What the caller gave to be covered by the signature. */
  readonly extraData: Uint8Array;
  readonly clock: AttestClock;
  /** As the TPM counts it; obfuscated for keys outside the endorsement and platform hierarchies. */
  readonly firmwareVersion: bigint;
  readonly attested:
    | { readonly kind: "certify"; readonly name: Uint8Array; readonly qualifiedName: Uint8Array }
    | { readonly kind: "quote"; readonly pcrs: readonly PcrSelection[]; readonly digest: Uint8Array };
}

/** The TPM's own clock. */
export interface AttestClock {
  readonly milliseconds: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  /** False after a power cut, until the clock has surely passed what it showed before. */
  readonly isSafe: boolean;
}

/** PCRs of one bank. */
export interface PcrSelection {
  readonly hash: TpmHash;
  /** Ascending. */
  readonly indices: readonly number[];
}

/** Parses one TPMS_ATTEST of a certification or a quote; throws `attestation-invalid`. */
export function parseAttest(bytes: Uint8Array): Attest {
  return readTpm(bytes, 2048, (reader) => {
    // The magic is what tells a TPM's words from any other digest a restricted key was made to sign.
    if (reader.u32() !== generatedByTpm)
      throw attestationInvalid("not-from-tpm", "the statement has not the TPM's magic");
    const type = reader.u16();
    const qualifiedSigner = reader.sized(maxNameBytes);
    const extraData = reader.sized(66);
    const clock = readClock(reader);
    const firmwareVersion = reader.u64();
    return { qualifiedSigner, extraData, clock, firmwareVersion, attested: readAttested(reader, type) };
  });
}

/** Reads TPML_PCR_SELECTION. */
export function readPcrSelections(reader: TpmReader): PcrSelection[] {
  const count = reader.u32();
  if (count > 16) throw reader.invalid(`${count} PCR banks`);
  return Array.from({ length: count }, () => {
    const hash = readTpmHash(reader);
    const size = reader.u8();
    if (size > 4) throw reader.invalid(`a PCR selection of ${size} octets`);
    const bits = reader.take(size);
    const indices = Array.from({ length: size * 8 }, (_, index) => index);
    return { hash, indices: indices.filter((index) => ((bits[index >> 3] ?? 0) >> (index & 7)) & 1) };
  });
}

function readAttested(reader: TpmReader, type: number): Attest["attested"] {
  switch (type) {
    case attestTypes.certify:
      return { kind: "certify", name: reader.sized(maxNameBytes), qualifiedName: reader.sized(maxNameBytes) };
    case attestTypes.quote:
      return { kind: "quote", pcrs: readPcrSelections(reader), digest: reader.sized(64) };
    default:
      throw attestationInvalid(
        "wrong-kind",
        `statement type 0x${type.toString(16)} is neither a certification nor a quote`,
      );
  }
}

function readClock(reader: TpmReader): AttestClock {
  const milliseconds = reader.u64();
  const resetCount = reader.u32();
  const restartCount = reader.u32();
  const safe = reader.u8();
  if (safe > 1) throw reader.invalid("a truth value that is neither 0 nor 1");
  return { milliseconds, resetCount, restartCount, isSafe: safe === 1 };
}

const generatedByTpm = 0xff544347;

const attestTypes = { certify: 0x8017, quote: 0x8018 } as const;
