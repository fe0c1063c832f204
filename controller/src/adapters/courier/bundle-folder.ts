import { mkdir, open, readdir, readFile, rename, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { maxCourierBytes } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";

/** What the name of a bundle's file ends with, by where it goes. */
export const bundleSuffixes = { request: ".request.fcb", reply: ".reply.fcb" } as const;

/** One file of bundles and what it is called without its suffix. */
export interface BundleFile {
  readonly path: string;
  readonly name: string;
}

/**
 * The files a path names: the file itself, whatever it is called, or those of a folder that end with the suffix, in order of their
 * names. Throws `usage` when there is none.
 */
export async function bundleFiles(path: string, suffix: string): Promise<readonly BundleFile[]> {
  try {
    if (!(await stat(path)).isDirectory())
      return [{ path, name: basename(path).replace(/\.(request|reply)?\.?fcb$/, "") }];
    const names = (await readdir(path)).filter((name) => name.endsWith(suffix) && !name.startsWith("."));
    return names.sort().map((name) => ({ path: join(path, name), name: name.slice(0, -suffix.length) }));
  } catch (cause) {
    throw new FleetError("usage", `${path} cannot be read`, { cause, hint: "name a bundle or a folder of bundles" });
  }
}

/** Reads a bundle of at most a reply's size. Throws `message-too-large`, `usage`. */
export async function readBundle(path: string): Promise<Uint8Array> {
  const size = await stat(path).then(
    (found) => found.size,
    (cause: unknown) => {
      throw new FleetError("usage", `${path} cannot be read`, { cause });
    },
  );
  if (size > maxCourierBytes.reply) {
    throw new FleetError("message-too-large", `${path} has ${size} bytes, a bundle at most ${maxCourierBytes.reply}`);
  }
  return new Uint8Array(await readFile(path));
}

/** Where a bundle's answer is written: the file named, or one of the same name in the folder named, which is made. */
export async function placeIn(
  out: string,
  { name }: BundleFile,
  options: { readonly suffix: string; readonly isOne: boolean },
): Promise<string> {
  const isFolder = await stat(out).then(
    (found) => found.isDirectory(),
    () => !options.isOne,
  );
  if (!isFolder) return out;
  await mkdir(out, { recursive: true });
  return join(out, `${name}${options.suffix}`);
}

/** Writes a file as a whole, on the medium when it resolves: sticks are pulled early. Throws `usage`. */
export async function writeBundle(path: string, bytes: Uint8Array): Promise<void> {
  const aside = join(dirname(path), `.${basename(path)}.new`);
  try {
    const file = await open(aside, "w", 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (cause) {
    throw new FleetError("usage", `${path} cannot be written`, { cause, hint: "is the stick full or read-only?" });
  }
}
