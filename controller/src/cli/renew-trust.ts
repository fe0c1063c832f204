import { acceptTrustBundle, decodeEnvelope, decodeTrustBundle, type TrustBundle } from "@fleetcert/proto";
import { FleetError, type Secret } from "@fleetcert/shared";
import { type DataPaths, openDataDirectory, readPassphrase, readText } from "../adapters/files/data-directory.ts";
import { readBundles, readPkiFiles, writeBundle } from "../adapters/files/pki-files.ts";
import { openControllerKeys, openRootKeys } from "../adapters/keys/controller-keys.ts";
import { openSqliteStore } from "../adapters/store/sqlite/open-store.ts";
import { systemClock, systemRandom } from "../adapters/system/system-surroundings.ts";
import { parseConfig } from "../config.ts";
import type { Transaction } from "../store-port.ts";
import { renewBundle } from "../trust/renew-bundle.ts";
import type { RootIntent } from "../trust/sign-ca.ts";
import { openRootIntent, recordPublication } from "../trust/trust-audit.ts";
import { fixedCrlBase } from "./crl-base.ts";

/** A running controller, as far as a renewal needs it. */
export interface RunningTrust {
  /** Writes an intent of the root into the audit (I2). */
  intend(intent: RootIntent): Promise<unknown>;
  publish(envelope: Uint8Array): Promise<unknown>;
}

/**
 * Makes the next trust bundle with the root key at hand, the command keys it names, the root's own list, and a new certificate
 * for an issuing CA near its end. A running controller takes it at once; without one it is written for the next start. Throws `key-not-found`, `trust-invalid`, `data-directory`.
 */
export async function renewTrust(options: {
  readonly data: string;
  /** Directory of the root key; where `init` made it when undefined. */
  readonly rootKeyDirectory?: string;
  readonly rootPassphrase: Secret | undefined;
  /** Raises the era and replaces every command key. */
  readonly isNewEra?: boolean;
  readonly controller: RunningTrust | undefined;
  /** Makes a key for another issuing CA and trusts it beside the present ones. */
  readonly addsIssuer?: boolean;
  /** An issuing CA that is not trusted any more, SPKI SHA-256. */
  readonly retiredIssuer?: string;
  /** Its key is not its own any more: the root's list names it. */
  readonly isDistrusted?: boolean;
}): Promise<TrustBundle> {
  const paths = await openDataDirectory(options.data);
  const config = parseConfig(await readText(paths.config), paths.config);
  const keys = await openControllerKeys({
    data: options.data,
    directory: paths.keys,
    passphrase: await readPassphrase(paths.keystorePassphrase),
    settings: config.keys,
  });
  const rootKeys = await openRootKeys({
    data: options.data,
    settings: config.keys,
    files: async () => ({
      directory: options.rootKeyDirectory ?? paths.rootKey,
      passphrase: options.rootPassphrase ?? (await readPassphrase(paths.rootPassphrase)),
    }),
  }).catch(async (error: unknown) => {
    await keys.close();
    throw error;
  });
  try {
    const newest = (await readBundles(paths)).at(-1);
    if (newest === undefined) throw new FleetError("trust-invalid", "there is no trust bundle to renew");
    const current = decodeTrustBundle(decodeEnvelope(newest).payload);
    const { rootKeyRef } = await readPkiFiles(paths);
    const rootSigner = await rootKeys.open(rootKeyRef);
    const controller = options.controller ?? stoppedController(paths, current);
    const { bundle, envelope } = await renewBundle({
      ...{
        current,
        rootSigner,
        keys,
        now: systemClock.now(),
        random: systemRandom,
        raiseEra: options.isNewEra === true,
        crlBase: fixedCrlBase(config),
      },
      ...(options.addsIssuer === true && {
        newIssuerKey: await keys.generate({ algorithm: "P-256", label: "issuing" }),
      }),
      ...(options.retiredIssuer !== undefined && { retiredIssuer: options.retiredIssuer }),
      ...(options.isDistrusted === true && { isDistrusted: true }),
      recordIntent: async (intent) => void (await controller.intend(intent)),
      // What was signed counts when it is published; that is its outcome.
      recordOutcome: async () => undefined,
    });
    acceptTrustBundle(envelope, { bundle: current });
    await controller.publish(envelope);
    return bundle;
  } finally {
    await keys.close();
    await rootKeys.close();
  }
}

/** Does on the files what a running controller does; the store's lock keeps a running one out. */
function stoppedController(paths: DataPaths, current: TrustBundle): RunningTrust {
  const change = async (work: (tx: Transaction) => Promise<void>): Promise<void> => {
    const store = await openSqliteStore({ path: paths.store, create: "never" });
    try {
      await store.transaction(work);
    } finally {
      await store.close();
    }
  };
  const said = () => ({ at: systemClock.now(), actor: "local" });
  return {
    intend: (intent) => change((tx) => openRootIntent(tx, { ...said(), ...intent })),
    async publish(envelope) {
      const next = decodeTrustBundle(decodeEnvelope(envelope).payload);
      await change(async (tx) => {
        await recordPublication(tx, { ...said(), next, before: current });
        await writeBundle(paths, next.version, envelope);
      });
    },
  };
}
