import { join } from "node:path";
import { type KeyProviderConfig, openPinMemoryFile, tokenStore } from "@fleetcert/hw";
import { FleetError } from "@fleetcert/shared";

/**
 * The key store that a setting of `keys` names; undefined for the encrypted files, which is what an empty one means.
 *
 * - `pkcs11:token=ca?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/fleetcert/pin` (RFC 7512);
 * - `tpm:device:/dev/tpmrm0`, its key files in `tpm-keys` of the data directory.
 *
 * Throws `config-invalid`, `request-invalid` (malformed URI).
 */
export function keyPlace(data: string, setting: string, text: string): KeyProviderConfig | undefined {
  if (text === "") return undefined;
  if (text.startsWith("pkcs11:")) {
    return { ...tokenStore(text), pinMemory: openPinMemoryFile(join(data, "refused-pins.json")) };
  }
  if (text.startsWith("tpm:"))
    return { kind: "tpm", tpm: text.slice("tpm:".length), directory: join(data, "tpm-keys") };
  throw new FleetError("config-invalid", `keys.${setting} names no key store`, {
    hint: "leave it empty for encrypted files, or give pkcs11:token=NAME?module-path=FILE&pin-source=file:FILE, or tpm:device:/dev/tpmrm0",
  });
}
