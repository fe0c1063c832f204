import { openProviderAuthority } from "../../adapters/ca/provider-authority.ts";
import { type DataPaths, readPassphrase } from "../../adapters/files/data-directory.ts";
import { readPkiFiles } from "../../adapters/files/pki-files.ts";
import { type KeySettings, type OpenKeys, openControllerKeys } from "../../adapters/keys/controller-keys.ts";
import type { CertificateAuthority } from "../../ports.ts";

/** The controller's keys, and the issuing CA that `init` made. Throws what the key store throws, and then leaves none open. */
export async function openKeys(
  paths: DataPaths,
  settings: KeySettings,
): Promise<{ readonly keys: OpenKeys; readonly authority: CertificateAuthority; readonly root: Uint8Array }> {
  const passphrase = await readPassphrase(paths.keystorePassphrase);
  const keys = await openControllerKeys({ data: paths.root, directory: paths.keys, passphrase, settings });
  try {
    const { root, issuing, issuingKeyRef } = await readPkiFiles(paths);
    const authority = await openProviderAuthority({ keys, keyRef: issuingKeyRef, certificate: issuing, chain: [root] });
    return { keys, authority, root };
  } catch (error) {
    await keys.close();
    throw error;
  }
}
