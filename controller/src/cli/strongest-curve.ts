import { FleetError, type KeyProviderInfo } from "@fleetcert/shared";

/** The curve of a root's key: P-384 where the store makes it; a TPM may not. Throws `token-error` where neither is made. */
export function strongestCurve({ algorithms, description }: KeyProviderInfo): "P-384" | "P-256" {
  const found = (["P-384", "P-256"] as const).find((curve) => algorithms.includes(curve));
  if (found !== undefined) return found;
  throw new FleetError("token-error", `${description} makes neither P-384 nor P-256 keys`, {
    hint: "keep the root's key elsewhere: --root-key, or leave it in encrypted files",
  });
}
