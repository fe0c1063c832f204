export { type KeyProviderConfig, openKeyProvider } from "./open-key-provider.ts";
export { initialiseToken } from "./pkcs11/initialise-token.ts";
export { formatPkcs11Uri, type Pkcs11Uri, parsePkcs11Uri } from "./pkcs11/uri.ts";
export { secretFile } from "./secret-file.ts";
export { type DigestToSign, openTlsKeyHandle, type TlsHash, type TlsKeyHandle } from "./tls/tls-key-handle.ts";
export { nodeCredentialCrypto } from "./tpm/credential-crypto.ts";
export { openTpmAttestor, type TpmAttestor, type TpmIdentityEvidence } from "./tpm/tpm-attestor.ts";
export type { TpmKeysConfig } from "./tpm/tpm-provider.ts";
