import { randomBytes } from "node:crypto";
import { openKeyProvider } from "@fleetcert/hw";
import { FleetError, type Instant, isFleetName, Secret, spkiSha256 } from "@fleetcert/shared";
import { openAnchorFile } from "../adapters/files/anchor-file.ts";
import { createDataDirectory, type DataPaths, finishDataDirectory } from "../adapters/files/data-directory.ts";
import { writeBundle, writePkiFiles } from "../adapters/files/pki-files.ts";
import { writeDurably } from "../adapters/files/write-durably.ts";
import { openSqliteStore } from "../adapters/store/sqlite/open-store.ts";
import { systemClock, systemRandom } from "../adapters/system/system-surroundings.ts";
import { appendAudit } from "../audit/append-audit.ts";
import { formatConfig, parseConfig } from "../config.ts";
import type { Store } from "../store-port.ts";
import { type CreatedPki, createPki } from "../trust/create-pki.ts";
import type { RootIntent } from "../trust/sign-ca.ts";
import { fixedCrlBase } from "./crl-base.ts";

/** What `init` is asked. */
export interface InitOptions {
  readonly data: string;
  readonly fleet: string;
  /** Names and addresses of this controller, the one devices use first. */
  readonly hosts: readonly string[];
  /** Undefined makes a random one and writes it to a file of mode 0600. */
  readonly rootPassphrase: Secret | undefined;
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
  /** File of the random root passphrase; undefined when one was given. */
  readonly rootPassphraseFile: string | undefined;
  readonly rootKeyDirectory: string;
}

/**
 * Makes a controller: PKI, keys, first trust bundle, store with the first audit entries, configuration. A directory left
 * half-done by a crash is started over. Throws `already-exists`, `data-directory`, `config-invalid`.
 */
export async function initController(options: InitOptions): Promise<InitResult> {
  const text = configText(options);
  const paths = await createDataDirectory(options.data);
  const rootPassphrase = options.rootPassphrase ?? randomSecret();
  const keystorePassphrase = randomSecret();
  await writeDurably(paths.keystorePassphrase, `${keystorePassphrase.reveal()}\n`);
  if (options.rootPassphrase === undefined) await writeDurably(paths.rootPassphrase, `${rootPassphrase.reveal()}\n`);
  await openAnchorFile(paths.anchor, { create: true });

  const keys = await openKeyProvider({ kind: "software", directory: paths.keys, passphrase: keystorePassphrase });
  const rootKeys = await openKeyProvider({ kind: "software", directory: paths.rootKey, passphrase: rootPassphrase });
  const store = await openSqliteStore({ path: paths.store });
  try {
    const pki = await createPki({
      fleet: options.fleet,
      now: systemClock.now(),
      random: systemRandom,
      keys,
      rootKeys,
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
      rootPassphraseFile: options.rootPassphrase === undefined ? paths.rootPassphrase : undefined,
      rootKeyDirectory: paths.rootKey,
    };
  } finally {
    await store.close();
    await keys.close();
    await rootKeys.close();
  }
}

/** Checked before anything is written. */
function configText({ fleet, hosts, settings }: InitOptions): string {
  if (!isFleetName(fleet)) {
    throw new FleetError("config-invalid", `"${fleet.slice(0, 63)}" is no name of a fleet`, {
      hint: "1 to 63 of a-z, 0-9, dash and underscore, beginning with a letter or digit",
    });
  }
  const text = formatConfig({ fleet, hosts, ...settings });
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

const defaultProfiles = `# What a slot's certificate may be. "device" is used when a claim names no other.
profiles:
  device:
    keyAlgorithms: [P-256]
    validity: 90d
    backdate: 1h
    extendedKeyUsage: [clientAuth]
`;
