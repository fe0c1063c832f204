import { FleetError, type OpenKeyProvider, type Secret, type SecretSource } from "@fleetcert/shared";
import type { PinMemory } from "./pkcs11/pin-memory.ts";
import type { TpmKeysConfig } from "./tpm/tpm-provider.ts";

/** Where keys are kept. Secrets are given as {@link Secret}s or functions that fetch them, never as text. */
export type KeyProviderConfig =
  | { readonly kind: "software"; readonly directory: string; readonly passphrase: Secret }
  | {
      readonly kind: "pkcs11";
      readonly modulePath: string;
      /** The token's label, or an RFC 7512 URI where the label alone is ambiguous: `pkcs11:token=…;serial=…`. */
      readonly tokenLabel: string;
      readonly pin: SecretSource;
      /** Where refused PINs are remembered; in this process when undefined. */
      readonly pinMemory?: PinMemory;
      /** A person asked for this very login: a PIN refused before, and the token's last try, are used. */
      readonly isAttended?: boolean;
    }
  | ({ readonly kind: "tpm" } & TpmKeysConfig);

/**
 * Opens a key provider.
 *
 * Throws `key-store-missing` (software for it is not installed), `key-store-unavailable` (no such token, directory open
 * to others, wrong passphrase), `pin-refused`, `timeout` (TPM), `token-error`, `request-invalid` (malformed URI), `config-invalid` (malformed TPM address).
 */
export async function openKeyProvider(config: KeyProviderConfig): Promise<OpenKeyProvider> {
  switch (config.kind) {
    // Only the one in use is loaded: an agent is small.
    case "software": {
      const { openSoftwareProvider } = await import("./software/software-provider.ts");
      return await openSoftwareProvider(config);
    }
    case "pkcs11": {
      const { openPkcs11Provider } = await import("./pkcs11/pkcs11-provider.ts");
      return await openPkcs11Provider(config);
    }
    case "tpm": {
      const { openTpmProvider } = await import("./tpm/tpm-provider.ts");
      return await openTpmProvider(config);
    }
    default:
      throw new FleetError("config-invalid", "the kind of key provider is software, pkcs11 or tpm");
  }
}
