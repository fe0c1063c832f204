/** Context commands (Part 3 §28): parking what is loaded outside the TPM, encrypted by it. */
import type { TpmConnection } from "../tpm-connection.ts";
import type { TpmObject } from "../tpm-object.ts";

/** TPM2_ContextSave: TPMS_CONTEXT of a loaded key. It can be loaded again until the TPM is restarted. */
export function saveContext(tpm: TpmConnection, object: TpmObject): Uint8Array {
  return tpm.run({ name: "TPM2_ContextSave", code: 0x162, handles: [object] }, ({ parameters }) => {
    const start = parameters.position;
    // Sequence, handle and hierarchy.
    parameters.take(16);
    parameters.sized(maxBlobBytes);
    return parameters.bytes.slice(start, parameters.position);
  });
}

/** TPM2_ContextLoad: the handle of the key, in a slot again. */
export function loadContext(tpm: TpmConnection, context: Uint8Array): number {
  const command = { name: "TPM2_ContextLoad", code: 0x161, parameters: context, givesHandle: true };
  return tpm.run(command, ({ handle }) => handle);
}

const maxBlobBytes = 3500;
