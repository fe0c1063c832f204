/** Commands for the TPM's own memory (Part 3 §31): EK certificates and templates are kept there. */
import { maxNameBytes, TpmReader, tpmJoin, tpmU16 } from "@fleetcert/shared";
import { noAuthorization } from "../authorization.ts";
import { responseCodeOf } from "../response-code.ts";
import type { TpmConnection } from "../tpm-connection.ts";
import { owner, type TpmObject } from "../tpm-object.ts";

/**
 * The content of a place in the TPM's memory, at most 4 KiB; undefined when there is none or it was never written.
 * Read with the owner's right, which every certificate's place allows.
 */
export function findInMemory(tpm: TpmConnection, index: number): Uint8Array | undefined {
  try {
    const { object, bytes } = readMemoryPublic(tpm, index);
    return readMemory(tpm, object, Math.min(bytes, maxBytes));
  } catch (error) {
    if (absentCodes.has(responseCodeOf(error)?.name ?? "")) return undefined;
    throw error;
  }
}

/** TPM2_NV_ReadPublic: size and name of a place. */
function readMemoryPublic(tpm: TpmConnection, index: number): { object: TpmObject; bytes: number } {
  const handle = { handle: index, name: new Uint8Array(0) };
  return tpm.run({ name: "TPM2_NV_ReadPublic", code: 0x169, handles: [handle] }, ({ parameters }) => {
    const area = parameters.sized(256);
    const name = parameters.sized(maxNameBytes);
    return { object: { handle: index, name }, bytes: readSize(new TpmReader(area)) };
  });
}

/** The last field of TPMS_NV_PUBLIC (Part 2 §13.6), behind index, name hash, attributes and policy. */
function readSize(area: TpmReader): number {
  area.take(10);
  area.sized(64);
  const bytes = area.u16();
  area.finish();
  return bytes;
}

/** TPM2_NV_Read, in pieces that every TPM gives. */
function readMemory(tpm: TpmConnection, object: TpmObject, bytes: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; offset < bytes; offset += pieceBytes) {
    const size = Math.min(pieceBytes, bytes - offset);
    pieces.push(
      tpm.run(
        {
          name: "TPM2_NV_Read",
          code: 0x14e,
          handles: [owner, object],
          authorizations: [noAuthorization],
          parameters: tpmJoin(tpmU16(size), tpmU16(offset)),
        },
        ({ parameters }) => parameters.sized(pieceBytes).slice(),
      ),
    );
  }
  return tpmJoin(...pieces);
}

const absentCodes: ReadonlySet<string> = new Set([
  "TPM_RC_HANDLE",
  "TPM_RC_NV_UNINITIALIZED",
  "TPM_RC_NV_AUTHORIZATION",
]);

const pieceBytes = 512;
const maxBytes = 4096;
