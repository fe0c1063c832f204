import { acceptTrustBundle, decodeEnvelope, decodeTrustBundle, type TrustBundle } from "@fleetcert/proto";
import { FleetError, parseCertificate, type Secret, spkiSha256 } from "@fleetcert/shared";
import { type DataPaths, openDataDirectory, readPassphrase, readText } from "../adapters/files/data-directory.ts";
import { readBundles, writeBundle } from "../adapters/files/pki-files.ts";
import { openControllerKeys } from "../adapters/keys/controller-keys.ts";
import { openSqliteStore } from "../adapters/store/sqlite/open-store.ts";
import { systemClock, systemRandom } from "../adapters/system/system-surroundings.ts";
import { parseConfig } from "../config.ts";
import type { Transaction } from "../store-port.ts";
import { isBy } from "../trust/create-root.ts";
import { renewBundle } from "../trust/renew-bundle.ts";
import type { RootIntent } from "../trust/sign-ca.ts";
import { openRootIntent, recordPublication } from "../trust/trust-audit.ts";
import { makeRootKey, type OpenRootKey, openRootKey } from "./root-key-stores.ts";
import { fixedCrlBase } from "./serving/crl-base.ts";

/** A running controller, as far as a renewal needs it. */
export interface RunningTrust {
  /** Writes an intent of the root into the audit (I2). */
  intend(intent: RootIntent): Promise<unknown>;
  publish(envelope: Uint8Array): Promise<unknown>;
}

/** What the next bundle changes; nothing when all of it is absent. */
export interface TrustChange {
  /** Makes a key for another issuing CA and trusts it beside the present ones. */
  readonly addsIssuer?: boolean;
  /** Makes a root beside the present ones, which certifies the issuing CA that is added. */
  readonly newRoot?: {
    /** Where its key is made, as `init --root-key`; empty for encrypted files. */
    readonly place: string;
    /** Of the encrypted files; undefined makes a random one. */
    readonly passphrase: Secret | undefined;
  };
  /** An issuing CA that is not trusted any more, SPKI SHA-256. */
  readonly retiredIssuer?: string;
  /** Its key is not its own any more: the root's list names it. */
  readonly isDistrusted?: boolean;
  /** A root that is not trusted any more, SHA-256 of its certificate. */
  readonly retiredRoot?: string;
  /** Leads nobody from a retired root to the present ones. */
  readonly withoutBridges?: boolean;
}

/** The bundle that was made, and where the key of a new root lies. */
export interface RenewedTrust {
  readonly bundle: TrustBundle;
  readonly newRoot: OpenRootKey["note"] | undefined;
}

/**
 * Makes the next trust bundle with the root key at hand, the command keys it names, the root's own list, and a new certificate
 * for an issuing CA near its end. The root that signs is the newest one trusted, or the one that has certified an issuing CA to
 * be distrusted. A running controller takes the bundle at once; without one it is written for the next start. Throws
 * `key-not-found`, `trust-invalid`, `data-directory`, `conflict`.
 */
export async function renewTrust(
  options: TrustChange & {
    readonly data: string;
    /** Directory of the root key; where it was made when undefined. */
    readonly rootKeyDirectory?: string;
    readonly rootPassphrase: Secret | undefined;
    /** Raises the era and replaces every command key. */
    readonly isNewEra?: boolean;
    readonly controller: RunningTrust | undefined;
  },
): Promise<RenewedTrust> {
  const paths = await openDataDirectory(options.data);
  const config = parseConfig(await readText(paths.config), paths.config);
  const closers: (() => Promise<void>)[] = [];
  try {
    const keys = await openControllerKeys({
      data: options.data,
      directory: paths.keys,
      passphrase: await readPassphrase(paths.keystorePassphrase),
      settings: config.keys,
    });
    closers.push(() => keys.close());
    const history = (await readBundles(paths)).map((one) => decodeTrustBundle(decodeEnvelope(one).payload));
    const current = history.at(-1);
    if (current === undefined) throw new FleetError("trust-invalid", "there is no trust bundle to renew");
    const former = history.flatMap(({ issuers }) => issuers);
    const { key: rootSigner, store: rootStore } = await openRootKey(paths, {
      ...{ settings: config.keys, root: signingRoot(current, { ...options, former }) },
      ...{ directory: options.rootKeyDirectory, passphrase: options.rootPassphrase },
    });
    closers.push(() => rootStore.close());
    const made = options.newRoot && (await makeRootKey(paths, { settings: config.keys, current, ...options.newRoot }));
    if (made !== undefined) closers.push(() => made.store.close());
    const { addsIssuer, newRoot: _, isNewEra, controller: running, ...change } = options;
    const controller = running ?? stoppedController(paths, current);
    const { bundle, envelope } = await renewBundle({
      ...{ ...change, current, former, rootSigner, keys, raiseEra: isNewEra === true, crlBase: fixedCrlBase(config) },
      ...{ now: systemClock.now(), random: systemRandom },
      ...(addsIssuer === true && { newIssuerKey: await keys.generate({ algorithm: "P-256", label: "issuing" }) }),
      ...(made !== undefined && { newRootSigner: made.key }),
      recordIntent: async (intent) => void (await controller.intend(intent)),
      // What was signed counts when it is published; that is its outcome.
      recordOutcome: async () => undefined,
    });
    acceptTrustBundle(envelope, { bundle: current });
    await controller.publish(envelope);
    return { bundle, newRoot: made?.note };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

function signingRoot(
  { roots }: TrustBundle,
  { retiredIssuer, isDistrusted, former }: TrustChange & { readonly former: readonly Uint8Array[] },
): Uint8Array {
  const newest = roots.at(-1) as Uint8Array;
  if (isDistrusted !== true) return newest;
  const issuer = former.map(parseCertificate).find(({ spki }) => spkiSha256(spki) === retiredIssuer);
  return roots.find((der) => issuer !== undefined && isBy(issuer, parseCertificate(der))) ?? newest;
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
