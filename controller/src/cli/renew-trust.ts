import { openKeyProvider } from "@fleetcert/hw";
import { acceptTrustBundle, decodeEnvelope, decodeTrustBundle, type TrustBundle } from "@fleetcert/proto";
import { FleetError, type Secret } from "@fleetcert/shared";
import { openDataDirectory, readPassphrase } from "../adapters/files/data-directory.ts";
import { readBundles, readPkiFiles, writeBundle } from "../adapters/files/pki-files.ts";
import { systemClock } from "../adapters/system/system-surroundings.ts";
import { renewBundle } from "../trust/renew-bundle.ts";

/**
 * Makes the next trust bundle with the root key at hand, and the command keys it names. `publish` hands it to a running
 * controller; without one it is written for the next start. Throws `key-not-found`, `trust-invalid`, `data-directory`.
 */
export async function renewTrust(options: {
  readonly data: string;
  /** Directory of the root key; where `init` made it when undefined. */
  readonly rootKeyDirectory?: string;
  readonly rootPassphrase: Secret | undefined;
  readonly publish: ((envelope: Uint8Array) => Promise<unknown>) | undefined;
}): Promise<TrustBundle> {
  const paths = await openDataDirectory(options.data);
  const keys = await openKeyProvider({
    kind: "software",
    directory: paths.keys,
    passphrase: await readPassphrase(paths.keystorePassphrase),
  });
  const rootKeys = await openKeyProvider({
    kind: "software",
    directory: options.rootKeyDirectory ?? paths.rootKey,
    passphrase: options.rootPassphrase ?? (await readPassphrase(paths.rootPassphrase)),
  });
  try {
    const newest = (await readBundles(paths)).at(-1);
    if (newest === undefined) throw new FleetError("trust-invalid", "there is no trust bundle to renew");
    const current = decodeTrustBundle(decodeEnvelope(newest).payload);
    const { rootKeyRef } = await readPkiFiles(paths);
    const rootSigner = await rootKeys.open(rootKeyRef);
    const { bundle, envelope } = await renewBundle({ current, now: systemClock.now(), rootSigner, keys });
    acceptTrustBundle(envelope, { bundle: current });
    if (options.publish === undefined) await writeBundle(paths, bundle.version, envelope);
    else await options.publish(envelope);
    return bundle;
  } finally {
    await keys.close();
    await rootKeys.close();
  }
}
