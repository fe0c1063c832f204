import { mkdir } from "node:fs/promises";

/**
 * Makes one folder; one that is there is no error. Its parent must exist: Node's recursive mkdir never returns where a file
 * system answers ENOENT below a folder that exists, as /proc does.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
