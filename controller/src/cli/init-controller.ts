import { randomBytes } from "node:crypto";
import { FleetError, type Instant, isFleetName, Secret, spkiSha256 } from "@fleetcert/shared";
import { openAnchorFile } from "../adapters/files/anchor-file.ts";
import { createDataDirectory, type DataPaths, finishDataDirectory } from "../adapters/files/data-directory.ts";
import { writeBundle, writePkiFiles } from "../adapters/files/pki-files.ts";
import { writeDurably } from "../adapters/files/write-durably.ts";
import { type KeySettings, openControllerKeys, openRootKeys } from "../adapters/keys/controller-keys.ts";
import { keyPlace } from "../adapters/keys/key-places.ts";
import { openSqliteStore } from "../adapters/store/sqlite/open-store.ts";
import { systemClock, systemRandom } from "../adapters/system/system-surroundings.ts";
import { appendAudit } from "../audit/append-audit.ts";
import { formatConfig, parseConfig } from "../config.ts";
import type { Store } from "../store-port.ts";
import { type CreatedPki, createPki } from "../trust/create-pki.ts";
import type { RootIntent } from "../trust/sign-ca.ts";
import { fixedCrlBase } from "./serving/crl-base.ts";
import { strongestCurve } from "./strongest-curve.ts";

/** What `init` is asked. */
export interface InitOptions {
  readonly data: string;
  readonly fleet: string;
  /** Names and addresses of this controller, the one devices use first. */
  readonly hosts: readonly string[];
  /** Undefined makes a random one and writes it to a file of mode 0600. */
  readonly rootPassphrase: Secret | undefined;
  /** Where keys live that are not to lie in encrypted files: texts of the settings `keys.issuing`, `keys.command`, `keys.root`. */
  readonly keys?: Partial<KeySettings>;
  /** More settings for config.yaml, such as `{ listeners: { http: { port: 0 } } }`. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** YAML of profiles.yaml. */
  readonly profiles?: string;
}

/** What `init` made. */
export interface InitResult {
  readonly data: string;
  readonly fleet: string;
  /** SHA-256 of the root certificate, lower-case hex: what devices pin. */
  readonly rootSha256: string;
  readonly issuerId: string;
  readonly rootNotAfter: Instant;
  readonly issuingNotAfter: Instant;
  readonly bundleExpires: Instant;
  /** File of the random root passphrase; undefined when one was given or none is needed. */
  readonly rootPassphraseFile: string | undefined;
  /** Undefined when the root's key lies in a token or TPM. */
  readonly rootKeyDirectory: string | undefined;
  /** References of the keys of root and issuing CA. */
  readonly rootKey: string;
  readonly issuingKey: string;
}

/**
 * Makes a controller: PKI, keys, first trust bundle, store with the first audit entries, configuration. A directory left
 * half-done by a crash is started over. Throws `already-exists`, `data-directory`, `config-invalid`.
 */
export async function initController(options: InitOptions): Promise<InitResult> {
  const text = configText(options);
  const settings = parseConfig(text).keys;
  requireKeyPlaces(options.data, settings);
  const paths = await createDataDirectory(options.data);
  const isRandom = options.rootPassphrase === undefined && settings.root === "";
  const rootPassphrase = options.rootPassphrase ?? randomSecret();
  const keystorePassphrase = randomSecret();
  await writeDurably(paths.keystorePassphrase, `${keystorePassphrase.reveal()}\n`);
  if (isRandom) await writeDurably(paths.rootPassphrase, `${rootPassphrase.reveal()}\n`);
  await openAnchorFile(paths.anchor, { create: true });

  const stores = { data: options.data, settings };
  const closers: (() => Promise<void>)[] = [];
  try {
    const keys = await openControllerKeys({ ...stores, directory: paths.keys, passphrase: keystorePassphrase });
    closers.push(() => keys.close());
    const rootFiles = async () => ({ directory: paths.rootKey, passphrase: rootPassphrase });
    const rootKeys = await openRootKeys({ ...stores, files: rootFiles });
    closers.push(() => rootKeys.close());
    const store = await openSqliteStore({ path: paths.store });
    closers.push(() => store.close());
    const pki = await createPki({
      fleet: options.fleet,
      now: systemClock.now(),
      random: systemRandom,
      keys,
      rootKeys,
      rootAlgorithm: strongestCurve(rootKeys.info),
      crlBase: fixedCrlBase(parseConfig(text)),
      ...auditOf(store),
    });
    await keep(paths, store, pki);
    await writeDurably(paths.profiles, options.profiles ?? defaultProfiles, 0o644);
    await writeDurably(paths.config, text, 0o644);
    await finishDataDirectory(paths);
    return {
      data: options.data,
      fleet: options.fleet,
      rootSha256: pki.root.sha256,
      issuerId: spkiSha256(pki.issuing.spki),
      rootNotAfter: pki.root.notAfter,
      issuingNotAfter: pki.issuing.notAfter,
      bundleExpires: pki.bundle.expires,
      rootPassphraseFile: isRandom ? paths.rootPassphrase : undefined,
      rootKeyDirectory: settings.root === "" ? paths.rootKey : undefined,
      rootKey: pki.rootKeyRef,
      issuingKey: pki.issuingKeyRef,
    };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** Before anything is written. */
function requireKeyPlaces(data: string, settings: KeySettings): void {
  for (const name of ["issuing", "command", "root"] as const) keyPlace(data, name, settings[name]);
}

/** Checked before anything is written. */
function configText({ fleet, hosts, keys, settings }: InitOptions): string {
  if (!isFleetName(fleet)) {
    throw new FleetError("config-invalid", `"${fleet.slice(0, 63)}" is no name of a fleet`, {
      hint: "1 to 63 of a-z, 0-9, dash and underscore, beginning with a letter or digit",
    });
  }
  const text = formatConfig({ fleet, hosts, ...(keys !== undefined && { keys }), ...settings });
  parseConfig(text);
  return text;
}

async function keep(paths: DataPaths, store: Store, pki: CreatedPki): Promise<void> {
  const { root, issuing, rootKeyRef, issuingKeyRef, bundle } = pki;
  await writePkiFiles(paths, { root: root.der, issuing: issuing.der, rootKeyRef, issuingKeyRef });
  await writeBundle(paths, bundle.version, pki.envelope);
  const details = {
    era: String(bundle.era),
    version: String(bundle.version),
    expires: new Date(bundle.expires).toISOString(),
  };
  await store.transaction((tx) =>
    appendAudit(tx, {
      at: systemClock.now(),
      actor: "local",
      action: "trust.published",
      target: bundle.fleet,
      outcome: "success",
      details,
    }),
  );
}

/** The first entries of the audit chain: each CA certificate, and the root's list, before and after it is signed (I2). */
function auditOf(store: Store) {
  return {
    recordIntent: async ({ kind, target, tbsSha256 }: RootIntent) => {
      const action = `${kind}.intent` as const;
      const entry = { at: systemClock.now(), actor: "local", target, details: { tbsSha256 } };
      await store.transaction((tx) => appendAudit(tx, { ...entry, action, outcome: "intent" }));
    },
    recordOutcome: async (done: RootIntent & { readonly sha256: string }) => {
      const { kind, target, ...details } = done;
      const action = kind === "crl" ? ("crl.published" as const) : ("ca.created" as const);
      const entry = { at: systemClock.now(), actor: "local", target, details };
      await store.transaction((tx) => appendAudit(tx, { ...entry, action, outcome: "success" }));
    },
  };
}

/** 256 bits, as text a person can copy. */
const randomSecret = (): Secret => Secret.of(randomBytes(32).toString("base64url"));

const defaultProfiles = `# What a slot's certificate may be. "device" is used when a claim names no other. Read at every start; what a later edit
# weakens waits for a second person: fleetcert approve list.
profiles:
  device:
    keyAlgorithms: [P-256]
    validity: 90d
    backdate: 1h
    extendedKeyUsage: [clientAuth]
`;
