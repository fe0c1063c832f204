import { chmod, chown, copyFile, lstat, mkdir, open, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { FleetError, isFleetError, sha256Hex } from "@fleetcert/shared";
import type { FileSets, Material } from "../../deployment/service-actions.ts";
import type { KeyRecord } from "../../renewal/slot-state.ts";
import { ownerIds } from "./file-owner.ts";
import { renderOutput, type SetOutput } from "./render-output.ts";

/** A folder of sets and the files a service reads, each a link into the set in force. */
export interface FileSetsConfig {
  readonly directory: string;
  readonly outputs: readonly SetOutput[];
}

/**
 * Opens the sets of one service.
 *
 * `sets/NAME/` holds the files of one set, `current` is a link to the set in force, and each file the service reads is a link through
 * `current`: one rename switches them all. Files that were there before the first set are kept as the set `original`.
 */
export function openFileSets(config: FileSetsConfig): FileSets {
  return {
    install: (material) => guarded(config, () => install(config, material)),
    restore: (key) => guarded(config, () => restore(config, key)),
    forget: (key) => guarded(config, () => forget(config, key)),
    erase: () => guarded(config, () => eraseKeys(config)),
  };
}

async function install(config: FileSetsConfig, material: Material): Promise<boolean> {
  const name = setName(config, material);
  const before = await current(config);
  if (before === name && (await isLinked(config))) return false;
  await keepOriginal(config);
  await writeSet(config, name, material);
  await switchTo(config, name);
  await linkOutputs(config);
  await removeOthersOf(config, material.credential.key, name);
  return before !== name;
}

async function restore(config: FileSetsConfig, key: KeyRecord | undefined): Promise<boolean> {
  const names = await setNames(config);
  const name = key === undefined ? names.find((one) => one === original) : names.find((one) => belongsTo(one, key));
  if (name !== undefined) await switchTo(config, name);
  return name !== undefined;
}

async function forget(config: FileSetsConfig, key: KeyRecord): Promise<void> {
  const inForce = await current(config);
  const gone = (await setNames(config)).filter((name) => belongsTo(name, key) && name !== inForce);
  for (const name of gone) await rm(join(setsOf(config), name), { recursive: true, force: true });
}

/** Of the set in force only what is declared as no secret stays; sets that are not, and half written ones, go as a whole. */
async function eraseKeys(config: FileSetsConfig): Promise<void> {
  const isSecret = ({ kind }: SetOutput) => kind === "key" || kind === "pkcs12";
  const staying = config.outputs.filter((output) => !isSecret(output)).map(({ file }) => basename(file));
  const inForce = await current(config);
  for (const name of await namesIn(setsOf(config))) {
    if (name === original) continue;
    const set = join(setsOf(config), name);
    const gone = name === inForce ? (await namesIn(set)).filter((file) => !staying.includes(file)) : undefined;
    for (const file of gone ?? [""]) await rm(join(set, file), { recursive: true, force: true });
    if (gone !== undefined) await syncDirectory(set);
    await syncDirectory(setsOf(config));
  }
  // What was there before the agent is not its to take away.
  if (inForce === original) return;
  for (const { file } of config.outputs.filter(isSecret)) {
    const isOurs = (await readlink(file).catch(() => undefined)) === linkTarget(config, file);
    if (isOurs) await rm(file, { force: true });
  }
}

/** None when there is no such folder; any other failure is one. */
async function namesIn(folder: string): Promise<string[]> {
  return (await exists(folder)) ? await readdir(folder) : [];
}

/** By what goes into the set: the same material gives the same set, and half written ones never have the name. */
function setName({ outputs }: FileSetsConfig, { credential, trust }: Material): string {
  const { generation, key, certificate, chain } = credential;
  const parts = [certificate, ...chain, ...trust.issuers, ...trust.roots].map((der) => sha256Hex(der));
  const content = sha256Hex(new TextEncoder().encode(JSON.stringify([parts, outputs])));
  return `${generation}-${key.id.slice(0, 16)}-${content.slice(0, 12)}`;
}

async function writeSet(config: FileSetsConfig, name: string, material: Material): Promise<void> {
  const set = join(setsOf(config), name);
  if (await exists(set)) return;
  const aside = join(setsOf(config), `.${name}.new`);
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { recursive: true, mode: 0o755 });
  for (const output of config.outputs) {
    const content = await renderOutput(output, material);
    const { uid, gid } = await ownerIds(output);
    const file = join(aside, basename(output.file));
    // Nobody else may open it before it has its owner and mode.
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.writeFile(content);
      if (uid !== -1 || gid !== -1) await handle.chown(uid, gid);
      await handle.chmod(output.mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  await syncDirectory(aside);
  await rename(aside, set);
  await syncDirectory(setsOf(config));
}

/** Files of before the first set, with their owners and modes; nothing when there were none. */
async function keepOriginal(config: FileSetsConfig): Promise<void> {
  await mkdir(setsOf(config), { recursive: true, mode: 0o755 });
  if ((await current(config)) !== undefined || (await exists(join(setsOf(config), original)))) return;
  const aside = join(setsOf(config), `.${original}.new`);
  await rm(aside, { recursive: true, force: true });
  for (const { file } of config.outputs) {
    const found = await lstat(file).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    await mkdir(aside, { recursive: true, mode: 0o755 });
    const kept = join(aside, basename(file));
    await copyFile(file, kept);
    await chmod(kept, found.mode & 0o777);
    if (process.getuid?.() === 0) await chown(kept, found.uid, found.gid);
    await syncFile(kept);
  }
  if (!(await exists(aside))) return;
  await syncDirectory(aside);
  await rename(aside, join(setsOf(config), original));
  await switchTo(config, original);
  await linkOutputs(config);
}

async function switchTo(config: FileSetsConfig, name: string): Promise<void> {
  if ((await current(config)) === name) return;
  await replaceLink(currentLink(config), join("sets", name));
}

async function linkOutputs(config: FileSetsConfig): Promise<void> {
  for (const { file } of config.outputs) {
    const target = linkTarget(config, file);
    if ((await readlink(file).catch(() => undefined)) === target) continue;
    await mkdir(dirname(file), { recursive: true });
    await replaceLink(file, target);
  }
}

async function isLinked(config: FileSetsConfig): Promise<boolean> {
  const links = await Promise.all(config.outputs.map(({ file }) => readlink(file).catch(() => undefined)));
  return config.outputs.every(({ file }, index) => links[index] === linkTarget(config, file));
}

function linkTarget(config: FileSetsConfig, file: string): string {
  return relative(dirname(file), join(currentLink(config), basename(file)));
}

async function replaceLink(link: string, target: string): Promise<void> {
  const aside = join(dirname(link), `.${basename(link)}.new`);
  await rm(aside, { force: true });
  await symlink(target, aside);
  await rename(aside, link);
  await syncDirectory(dirname(link));
}

async function removeOthersOf(config: FileSetsConfig, key: KeyRecord, name: string): Promise<void> {
  const older = (await setNames(config)).filter((one) => belongsTo(one, key) && one !== name);
  for (const one of older) await rm(join(setsOf(config), one), { recursive: true, force: true });
}

/** Name of the set in force. */
async function current(config: FileSetsConfig): Promise<string | undefined> {
  const target = await readlink(currentLink(config)).catch(() => undefined);
  return target === undefined ? undefined : basename(target);
}

async function setNames(config: FileSetsConfig): Promise<string[]> {
  const names = await readdir(setsOf(config)).catch(() => []);
  return names.filter((name) => !name.startsWith("."));
}

function belongsTo(name: string, { id }: KeyRecord): boolean {
  return name.split("-")[1] === id.slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const syncDirectory = syncFile;

async function guarded<T>({ directory }: FileSetsConfig, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (isFleetError(cause)) throw cause;
    throw new FleetError("data-directory", `the files in ${directory} cannot be written`, {
      cause,
      hint: "check that the disk is not full, and that the agent's user may write there and give files away",
    });
  }
}

const setsOf = ({ directory }: FileSetsConfig): string => join(directory, "sets");
const currentLink = ({ directory }: FileSetsConfig): string => join(directory, "current");
/** Name of the set of what was there before. */
const original = "original";
