import type { TpmInspection } from "./inspect-tpm.ts";
import type { TpmAttestor } from "./tpm-attestor.ts";
import type { TpmKeysConfig } from "./tpm-provider.ts";

// Most programs that load this package have no TPM: they are spared what speaks to one.

/** Opens the attestor of the TPM whose keys `openKeyProvider` opens with the same settings; both may be open at once. */
export async function openTpmAttestor(config: TpmKeysConfig): Promise<TpmAttestor> {
  const [{ Attestor }, { Tpm }] = await Promise.all([import("./tpm-attestor.ts"), import("./tpm.ts")]);
  const access = await config.ownerAuth?.();
  return new Attestor(Tpm.acquire(config.tpm), config.directory, access);
}

/** Asks a TPM what it is; changes nothing in it. Throws `config-invalid`, `key-store-unavailable`, `timeout`, `token-error`. */
export async function inspectTpm(address: string): Promise<TpmInspection> {
  const { readTpmProperties } = await import("./inspect-tpm.ts");
  return readTpmProperties(address);
}
