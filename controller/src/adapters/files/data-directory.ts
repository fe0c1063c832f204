import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FleetError, Secret } from "@fleetcert/shared";
import { makeFolder } from "./make-folder.ts";
import { writeDurably } from "./write-durably.ts";

/** Where everything of a controller lies. */
export interface DataPaths {
  readonly root: string;
  readonly config: string;
  readonly profiles: string;
  readonly store: string;
  readonly anchor: string;
  /** Issuing, command and listener keys. */
  readonly keys: string;
  /** The root key; meant to be moved offline. */
  readonly rootKey: string;
  readonly keystorePassphrase: string;
  readonly rootPassphrase: string;
  readonly ca: string;
  readonly trust: string;
  /** The newest CRL of each shard, DER; local software may use them too. */
  readonly crl: string;
  readonly run: string;
  readonly adminSocket: string;
  readonly endpoints: string;
}

/** The paths inside a data directory. */
export function dataPaths(root: string): DataPaths {
  const at = (...parts: string[]): string => join(root, ...parts);
  return {
    root,
    config: at("config.yaml"),
    profiles: at("profiles.yaml"),
    store: at("store.db"),
    anchor: at("anchor.json"),
    keys: at("keys"),
    rootKey: at("root-key"),
    keystorePassphrase: at("secrets", "keystore-passphrase"),
    rootPassphrase: at("secrets", "root-passphrase"),
    ca: at("ca"),
    trust: at("trust"),
    crl: at("crl"),
    run: at("run"),
    adminSocket: at("run", "admin.sock"),
    endpoints: at("run", "endpoints.json"),
  };
}

/**
 * Makes an empty data directory for `init`: absent, empty, or left half-done by an earlier init, which is cleaned. A
 * finished one is never touched. Throws `already-exists`, `data-directory`.
 */
export async function createDataDirectory(root: string): Promise<DataPaths> {
  const paths = dataPaths(root);
  await guardInit(root, () => makeFolder(root, 0o700));
  const names = await guardInit(root, () => readdir(root));
  const isHalfDone = names.includes(inProgress);
  if (names.includes("config.yaml") && !isHalfDone) {
    throw new FleetError("already-exists", `${root} holds a controller already`, {
      hint: "init never overwrites; give another --data, or remove that directory yourself",
    });
  }
  const foreign = names.filter((name) => !ownNames.includes(name.replace(/(-wal|-shm|\.new)$/, "")));
  if (foreign.length > 0) {
    throw new FleetError("data-directory", `${root} is not empty: it holds ${foreign.slice(0, 3).join(", ")}`, {
      hint: "give an empty or a new directory",
    });
  }
  await guardInit(root, async () => {
    // What is known of refused PINs outlives a failed init: trying it again would lock the token.
    for (const name of names.filter((one) => one !== refusedPins)) {
      await rm(join(root, name), { recursive: true, force: true });
    }
    await writeFile(join(root, inProgress), "", { mode: 0o600 });
    for (const name of ["keys", "root-key", "secrets", "ca", "trust", "crl", "run"])
      await mkdir(join(root, name), { mode: 0o700 });
  });
  return paths;
}

/** Marks the directory complete; before this, `serve` refuses it and `init` starts over. */
export async function finishDataDirectory(paths: DataPaths): Promise<void> {
  await guard(paths.root, () => rm(join(paths.root, inProgress)));
}

/** Opens a data directory for `serve`. Throws `data-directory` with what is wrong with it. */
export async function openDataDirectory(root: string): Promise<DataPaths> {
  const paths = dataPaths(root);
  const found = await guard(root, () => stat(root));
  if (!found.isDirectory()) throw new FleetError("data-directory", `${root} is not a directory`, { hint });
  const names = await guard(root, () => readdir(root));
  if (names.includes(inProgress)) {
    throw new FleetError("data-directory", `${root} was left half-done by an interrupted init`, {
      hint: `run again: fleetcert init --data ${root}`,
    });
  }
  if (!names.includes("config.yaml")) {
    throw new FleetError("data-directory", `${root} holds no controller`, {
      hint: `run: fleetcert init --data ${root}`,
    });
  }
  await guard(paths.run, () => makeFolder(paths.run, 0o700));
  await guard(paths.run, () => writeDurably(join(paths.run, "writable"), ""));
  return paths;
}

/** Text of a file of the data directory. Throws `data-directory`. */
export function readText(path: string): Promise<string> {
  return guard(path, () => readFile(path, "utf8"));
}

/** A passphrase from a file: its first line. Throws `data-directory` when it cannot be read or is empty. */
export async function readPassphrase(path: string): Promise<Secret> {
  const text = await guard(path, () => readFile(path, "utf8"), { ENOENT: passphraseHint });
  const [line = ""] = text.split("\n");
  if (line === "")
    throw new FleetError("data-directory", `${path} is empty`, { hint: "it holds a passphrase on its first line" });
  return Secret.of(line);
}

/** While it is being made, a missing path is one above it. */
const guardInit = <T>(path: string, work: () => Promise<T>): Promise<T> =>
  guard(path, work, {
    ENOENT: "a directory above it does not exist, or vanished: make it first, or give another path",
  });

async function guard<T>(
  path: string,
  work: () => Promise<T>,
  special: Readonly<Record<string, string>> = {},
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    const { code = "", message } = cause as NodeJS.ErrnoException;
    throw new FleetError("data-directory", `${path} cannot be used: ${message}`, {
      hint: special[code] ?? hints[code] ?? hint,
      cause,
    });
  }
}

const inProgress = "init-in-progress";
const refusedPins = "refused-pins.json";
const ownNames = [
  ...[inProgress, "config.yaml", "profiles.yaml", "store.db", "anchor.json"],
  ...["keys", "root-key", "tpm-keys", "secrets", "ca", "trust", "crl", "run", refusedPins],
];
const passphraseHint = "bring the file back, or name the one that holds the passphrase with --passphrase-file";
const hint = "look at the path, its owner and the free space";
const hints: Readonly<Record<string, string>> = {
  EACCES: "give the directory to the user that runs fleetcert: chown -R USER DIR; chmod 700 DIR",
  EPERM: "give the directory to the user that runs fleetcert: chown -R USER DIR; chmod 700 DIR",
  ENOENT: "make it with: fleetcert init --data DIR",
  ENOTDIR: "a part of the path is a file; give another directory",
  ENOSPC: "free some space on the disk",
  EROFS: "the file system is read-only; give a directory on another",
};
