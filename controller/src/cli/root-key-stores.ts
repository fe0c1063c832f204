import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { TrustBundle } from "@fleetcert/proto";
import { type OpenKeyProvider, type ProviderKey, parseCertificate, Secret, spkiSha256 } from "@fleetcert/shared";
import { type DataPaths, readPassphrase } from "../adapters/files/data-directory.ts";
import { readPkiFiles } from "../adapters/files/pki-files.ts";
import { addRootKeyNote, type RootKeyNote, readRootKeyNotes } from "../adapters/files/root-key-notes.ts";
import { writeDurably } from "../adapters/files/write-durably.ts";
import { type KeySettings, openRootKeys } from "../adapters/keys/controller-keys.ts";
import { strongestCurve } from "./strongest-curve.ts";

/** The key of a root, and the store it is open in. */
export interface OpenRootKey {
  readonly key: ProviderKey;
  readonly store: OpenKeyProvider;
  /** What a person is told of a key made now; paths of its files, empty for a token or TPM. */
  readonly note: RootKeyNote;
}

/** Opens the key of one of a bundle's roots where it was made, or where a person says it was moved. */
export async function openRootKey(
  paths: DataPaths,
  options: {
    readonly settings: KeySettings;
    /** DER. */
    readonly root: Uint8Array;
    /** Directory of its encrypted files, when it was moved. */
    readonly directory: string | undefined;
    readonly passphrase: Secret | undefined;
  },
): Promise<OpenRootKey> {
  const { settings, root, directory, passphrase } = options;
  const id = spkiSha256(parseCertificate(root).spki);
  const made = (await readRootKeyNotes(paths)).find((note) => note.id === id);
  const note = made ?? {
    ...{ id, ref: (await readPkiFiles(paths)).rootKeyRef, place: settings.root },
    ...{ directory: "root-key", passphraseFile: join("secrets", "root-passphrase") },
  };
  const store = await openRootKeys({
    data: paths.root,
    settings: { ...settings, root: note.place },
    files: async () => ({
      directory: directory ?? join(paths.root, note.directory),
      passphrase: passphrase ?? (await readPassphrase(join(paths.root, note.passphraseFile))),
    }),
  });
  return await orClose(store, async () => ({ key: await store.open(note.ref), store, note }));
}

/** Makes the key of a root to come and notes where it lives. A passphrase that is not given is made at random and kept in a file. */
export async function makeRootKey(
  paths: DataPaths,
  options: {
    readonly settings: KeySettings;
    /** As `init --root-key`; empty for encrypted files. */
    readonly place: string;
    readonly passphrase: Secret | undefined;
    readonly current: Pick<TrustBundle, "version">;
  },
): Promise<OpenRootKey> {
  const { settings, place, passphrase, current } = options;
  const isFiles = place === "";
  const name = current.version + 1;
  const directory = isFiles ? `root-key-${name}` : "";
  const passphraseFile = isFiles && passphrase === undefined ? join("secrets", `root-passphrase-${name}`) : "";
  const store = await openRootKeys({
    data: paths.root,
    settings: { ...settings, root: place },
    files: async () => ({
      directory: join(paths.root, directory),
      passphrase: passphrase ?? (await randomPassphrase(join(paths.root, passphraseFile))),
    }),
  });
  return await orClose(store, async () => {
    const key = await store.generate({ algorithm: strongestCurve(store.info), label: "root" });
    const note = { id: key.id, ref: key.ref, place, directory, passphraseFile };
    await addRootKeyNote(paths, note);
    return { key, store, note };
  });
}

/** The one an interrupted call has made already, for its key may lie there. */
async function randomPassphrase(file: string): Promise<Secret> {
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (isThere) return await readPassphrase(file);
  const made = Secret.of(randomBytes(32).toString("base64url"));
  await writeDurably(file, `${made.reveal()}\n`);
  return made;
}

async function orClose<T>(store: OpenKeyProvider, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await store.close();
    throw error;
  }
}
