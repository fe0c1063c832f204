import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";

/**
 * A directory that holds one file per key and belongs to this user alone (mode 0700).
 *
 * A file is there whole or not at all, also after a power cut: written aside, fsynced, renamed, directory fsynced.
 */
export class KeyDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes the directory when it is missing. Throws `key-store-unavailable` when others could read or change it. */
  static async open(path: string): Promise<KeyDirectory> {
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      requirePrivate(path, await lstat(path));
      const directory = new KeyDirectory(path);
      await directory.#removeUnfinished();
      return directory;
    } catch (cause) {
      if (cause instanceof FleetError) throw cause;
      throw new FleetError("key-store-unavailable", `the key directory ${path} cannot be used`, { cause });
    }
  }

  /** Ids of the keys that are there. */
  async ids(): Promise<string[]> {
    return (await readdir(this.path)).flatMap((name) => /^([0-9a-f]{64})\.pem$/.exec(name)?.[1] ?? []).sort();
  }

  /** The file of a key; undefined when there is none. */
  async find(id: string): Promise<string | undefined> {
    try {
      const text = await readFile(this.#file(id), "utf8");
      return text.slice(0, maxLength);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** Durable when it resolves. */
  async write(id: string, text: string): Promise<void> {
    const aside = join(this.path, `${unfinished}${randomBytes(8).toString("hex")}`);
    const file = await open(aside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, this.#file(id));
    await this.#sync();
  }

  /** Idempotent; durable when it resolves. */
  async remove(id: string): Promise<void> {
    await rm(this.#file(id), { force: true });
    await this.#sync();
  }

  async #sync(): Promise<void> {
    const directory = await open(this.path, constants.O_RDONLY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  async #removeUnfinished(): Promise<void> {
    for (const name of await readdir(this.path)) {
      if (name.startsWith(unfinished)) await rm(join(this.path, name), { force: true });
    }
  }

  #file(id: string): string {
    return join(this.path, `${id}.pem`);
  }
}

function requirePrivate(path: string, status: { mode: number; uid: number; isDirectory(): boolean }): void {
  const refuse = (why: string, hint: string): FleetError =>
    new FleetError("key-store-unavailable", `the key directory ${path} ${why}`, { hint });
  if (!status.isDirectory()) throw refuse("is not a directory", "give a directory, not a file or a link");
  if (status.uid !== process.getuid?.())
    throw refuse("belongs to another user", `chown it to the user of this process`);
  if ((status.mode & 0o077) !== 0) {
    throw refuse(`is open to others (mode ${(status.mode & 0o777).toString(8)})`, `chmod 700 ${path}`);
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

const unfinished = ".unfinished-";
const maxLength = 16_384;
