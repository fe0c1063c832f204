import type { Cryptoki } from "./cryptoki.ts";
import { asking } from "./token-error.ts";

/** What a module does in a way of its own. */
export interface ModuleQuirks {
  /**
   * Its keys cannot be told not to decrypt: asked for one that only signs it fails, so use is left open and not asserted.
   * What keeps a key inside is asked for and asserted all the same.
   */
  readonly leavesUsesOpen: boolean;
}

/** What is known of a module, by what it says of itself. */
export function quirksOf(cryptoki: Cryptoki): ModuleQuirks {
  const known = found.get(cryptoki);
  if (known !== undefined) return known;
  const { manufacturerID, libraryDescription } = asking("C_GetInfo", () => cryptoki.C_GetInfo());
  // tpm2-pkcs11 1.9.0 takes the TPM's sign bit back for CKA_DECRYPT false, and then finds CKA_VERIFY contradicted.
  const leavesUsesOpen = /tpm2-software/i.test(manufacturerID) || /^TPM2\.0 Cryptoki/.test(libraryDescription);
  const quirks = { leavesUsesOpen };
  found.set(cryptoki, quirks);
  return quirks;
}

const found = new WeakMap<Cryptoki, ModuleQuirks>();
