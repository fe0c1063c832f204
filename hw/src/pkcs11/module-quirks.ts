import type { Cryptoki } from "./cryptoki.ts";
import { asking } from "./token-error.ts";

/** What a module does in a way of its own. */
export interface ModuleQuirks {
  /**
   * Its keys cannot be told not to decrypt: asked for one that only signs it fails, so use is left open and not asserted.
   * What keeps a key inside is asked for and asserted all the same.
   */
  readonly leavesUsesOpen: boolean;
  /**
   * While it makes a key no other thread may look at its objects, so keys are made before the call returns and everything
   * else of the process waits: some 10 ms for P-256, a fraction of a second for RSA.
   */
  readonly makesKeysAlone: boolean;
  /**
   * It keeps every key it used loaded until its last session is closed. A TPM without a resource manager has room for three
   * objects; what fails for want of room leaves keys that cannot be destroyed and keys that are there twice.
   */
  readonly keepsKeysLoaded: boolean;
  /** After an object was destroyed, others are found under wrong handles until it is initialised anew. */
  readonly mixesUpAfterDestroying: boolean;
}

/** What is known of a module, by what it says of itself. */
export function quirksOf(cryptoki: Cryptoki): ModuleQuirks {
  const known = found.get(cryptoki);
  if (known !== undefined) return known;
  const { manufacturerID, libraryDescription } = asking("C_GetInfo", () => cryptoki.C_GetInfo());
  // tpm2-pkcs11 1.9.0 takes the TPM's sign bit back for CKA_DECRYPT false, and then finds CKA_VERIFY contradicted.
  const isTpm2Pkcs11 = /tpm2-software/i.test(manufacturerID) || /^TPM2\.0 Cryptoki/.test(libraryDescription);
  // SoftHSM2 2.6.1 writes a new object attribute by attribute, and every search of another thread reads it anew from its
  // file meanwhile (ObjectFile::refresh): attributes vanish (CKR_TEMPLATE_INCONSISTENT) or the process ends.
  const makesKeysAlone = /^SoftHSM/.test(manufacturerID);
  const quirks = {
    leavesUsesOpen: isTpm2Pkcs11,
    makesKeysAlone,
    keepsKeysLoaded: isTpm2Pkcs11,
    mixesUpAfterDestroying: isTpm2Pkcs11,
  };
  found.set(cryptoki, quirks);
  return quirks;
}

const found = new WeakMap<Cryptoki, ModuleQuirks>();
