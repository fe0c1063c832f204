/** Object commands (Part 3 §12, §24, §28): making, loading and flushing keys. */
import {
  encodePublicArea,
  FleetError,
  maxNameBytes,
  nameOfPublicArea,
  parsePublicArea,
  type TpmKeyBlob,
  type TpmPublicArea,
  type TpmReader,
  tpmJoin,
  tpmSized,
  tpmU32,
} from "@fleetcert/shared";
import { type Authorization, noAuthorization } from "../authorization.ts";
import type { TpmConnection } from "../tpm-connection.ts";
import type { TpmObject } from "../tpm-object.ts";

/** A key in a TPM's slot. */
export interface LoadedObject extends TpmObject {
  readonly publicArea: TpmPublicArea;
}

/** TPM2_CreatePrimary: derives a key from a hierarchy's seed and a template; flush it after use. */
export function createPrimary(
  tpm: TpmConnection,
  request: { readonly hierarchy: TpmObject; readonly template: TpmPublicArea; readonly authorization?: Authorization },
): LoadedObject {
  const { hierarchy, template, authorization = noAuthorization } = request;
  return tpm.run(
    {
      name: "TPM2_CreatePrimary",
      code: 0x131,
      handles: [hierarchy],
      authorizations: [authorization],
      parameters: creation(template),
      givesHandle: true,
    },
    ({ handle, parameters }) => {
      const publicArea = parsePublicArea(parameters.sized(maxStructure));
      skipCreationProof(parameters);
      return named({ handle, publicArea }, parameters.sized(maxNameBytes));
    },
  );
}

/** TPM2_Create: makes a key under a storage key. It is not loaded, and only this TPM can load it. */
export function createKey(
  tpm: TpmConnection,
  request: { readonly parent: TpmObject; readonly template: TpmPublicArea },
): TpmKeyBlob {
  return tpm.run(
    {
      name: "TPM2_Create",
      code: 0x153,
      handles: [request.parent],
      authorizations: [noAuthorization],
      parameters: creation(request.template),
    },
    ({ parameters }) => {
      const privateArea = parameters.sized(maxStructure);
      const publicArea = parameters.sized(maxStructure);
      // What cannot be read must not be kept.
      parsePublicArea(publicArea);
      skipCreationProof(parameters);
      return { privateArea, publicArea };
    },
  );
}

/** TPM2_Load: puts a key that was made before into a slot; flush it after use. */
export function loadKey(
  tpm: TpmConnection,
  { parent, key }: { readonly parent: TpmObject; readonly key: TpmKeyBlob },
): LoadedObject {
  const publicArea = parsePublicArea(key.publicArea);
  return tpm.run(
    {
      name: "TPM2_Load",
      code: 0x157,
      handles: [parent],
      authorizations: [noAuthorization],
      parameters: tpmJoin(tpmSized(key.privateArea), tpmSized(key.publicArea)),
      givesHandle: true,
    },
    ({ handle, parameters }) => named({ handle, publicArea }, parameters.sized(maxNameBytes)),
  );
}

/** TPM2_ReadPublic of a key that is in a slot or persistent. */
export function readPublic(tpm: TpmConnection, handle: number): LoadedObject {
  const object = { handle, name: new Uint8Array(0) };
  return tpm.run({ name: "TPM2_ReadPublic", code: 0x173, handles: [object] }, ({ parameters }) => {
    const publicArea = parsePublicArea(parameters.sized(maxStructure));
    const name = parameters.sized(maxNameBytes);
    parameters.sized(maxNameBytes);
    return named({ handle, publicArea }, name);
  });
}

/** TPM2_FlushContext: frees the slot of a key or a session. */
export function flushContext(tpm: TpmConnection, handle: number): void {
  tpm.run({ name: "TPM2_FlushContext", code: 0x165, parameters: tpmU32(handle) }, () => undefined);
}

/** Runs with a key in its slot and flushes it afterwards, come what may. */
export function whileLoaded<K extends TpmObject, T>(tpm: TpmConnection, key: K, run: (key: K) => T): T {
  const result = flushedOnFailure(tpm, key.handle, () => run(key));
  flushContext(tpm, key.handle);
  return result;
}

/** Flushes a key or a session when `run` throws; what failed first is what counts. */
export function flushedOnFailure<T>(tpm: TpmConnection, handle: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    tryFlush(tpm, handle);
    throw error;
  }
}

function tryFlush(tpm: TpmConnection, handle: number): void {
  try {
    flushContext(tpm, handle);
  } catch {
    // The TPM may be gone, or what was loaded.
  }
}

/** TPM2B_SENSITIVE_CREATE without authorisation and data, TPM2B_PUBLIC, no outside information, no PCRs. */
function creation(template: TpmPublicArea): Uint8Array {
  const sensitive = tpmSized(tpmSized(), tpmSized());
  return tpmJoin(sensitive, tpmSized(encodePublicArea(template)), tpmSized(), tpmU32(0));
}

/** Creation data, its hash and its ticket: nothing here relies on them. */
function skipCreationProof(parameters: TpmReader): void {
  parameters.sized(maxStructure);
  parameters.sized(64);
  parameters.u16();
  parameters.u32();
  parameters.sized(64);
}

/** The name is computed here and must be the TPM's: it is what HMACs and certifications cover. */
function named(object: { handle: number; publicArea: TpmPublicArea }, name: Uint8Array): LoadedObject {
  if (!Buffer.from(nameOfPublicArea(object.publicArea)).equals(name))
    throw new FleetError("token-error", "the TPM gave a name that is not that of the key's public area");
  return { ...object, name };
}

const maxStructure = 2048;
