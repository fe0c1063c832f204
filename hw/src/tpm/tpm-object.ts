import { tpmU32 } from "@fleetcert/shared";

/** Something in a TPM that a command names. */
export interface TpmObject {
  readonly handle: number;
  /** What HMACs cover: an object's name, of everything else its handle (Part 1 §16). */
  readonly name: Uint8Array;
}

/** A hierarchy, a PCR or a session as an object. */
export const permanentObject = (handle: number): TpmObject => ({ handle, name: tpmU32(handle) });

/** TPM_RH_OWNER. */
export const owner: TpmObject = permanentObject(0x40000001);

/** TPM_RH_NULL: keys under it live until the TPM is restarted, and nobody needs a right for it. */
export const nullHierarchy: TpmObject = permanentObject(0x40000007);

/** TPM_RH_ENDORSEMENT. */
export const endorsement: TpmObject = permanentObject(0x4000000b);
