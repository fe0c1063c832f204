import { open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { maxCourierBytes } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";

/**
 * Writes a bundle where a person carries it from: a file, or a file named by the device in a folder that is there. It is whole and
 * on the medium when this resolves, for sticks are pulled early. Throws `usage`.
 */
export async function writeBundleFile(path: string, device: string, bytes: Uint8Array): Promise<string> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, `${device}${requestSuffix}`) : path;
  const aside = join(dirname(file), `.${basename(file)}.new`);
  try {
    const handle = await open(aside, "w", 0o644);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(aside, file);
    return file;
  } catch (cause) {
    await unlink(aside).catch(() => undefined);
    throw new FleetError("usage", `${file} cannot be written`, { cause, hint: "name a file or a folder that can be" });
  }
}

/**
 * The bundles at a path, with their names: the file itself, or of a folder every reply in it. Each is read only up to one octet more
 * than a reply may have. Throws `usage`.
 */
export async function readReplies(path: string): Promise<{ readonly file: string; readonly bytes: Uint8Array }[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [{ file: path, bytes: await readBounded(path) }];
    const names = (await readdir(path)).filter((name) => name.endsWith(replySuffix) && !name.startsWith(".")).sort();
    return await Promise.all(
      names.map(async (name) => ({ file: join(path, name), bytes: await readBounded(join(path, name)) })),
    );
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError("usage", `${path} cannot be read`, {
      cause,
      hint: "name the reply's file, or the folder it lies in",
    });
  }
}

async function readBounded(file: string): Promise<Uint8Array> {
  const { size } = await stat(file);
  if (size > maxCourierBytes.reply) {
    throw new FleetError("message-too-large", `${file} has ${size} bytes, a reply at most ${maxCourierBytes.reply}`);
  }
  return new Uint8Array(await readFile(file));
}

const requestSuffix = ".request.fcb";
const replySuffix = ".reply.fcb";
