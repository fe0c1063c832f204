import type { Protection } from "@fleetcert/shared";

/**
 * Where the key of a reference lives, as far as the device knows. A TPM the controller has challenged and believed once
 * has to vouch for every later key too, so keys in it are `attested`; before that they are a claim like a token's.
 */
export function keyProtection(ref: string, tpmIsProven: boolean): Protection {
  if (ref.startsWith("software:")) return "software";
  return tpmIsProven && ref.startsWith("tpm2:") ? "attested" : "token";
}
