/** Name of the key store that a key's reference belongs to: `software`, `tpm2`, or `pkcs11:token=LABEL`. */
export function keyStoreOf(ref: string): string {
  const scheme = ref.slice(0, Math.max(0, ref.indexOf(":")));
  const end = ref.indexOf(";");
  return scheme === "pkcs11" && end > 0 ? ref.slice(0, end) : scheme;
}
