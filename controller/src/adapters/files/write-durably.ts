import { constants } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { FleetError } from "@fleetcert/shared";

/**
 * Writes a file so that a power cut leaves the old content or the new, never a part: aside, fsync, rename, fsync of the
 * directory. Mode 0600 unless said otherwise, whatever the process masks: another program is to read it then. Throws `store-failed`.
 */
export async function writeDurably(path: string, content: Uint8Array | string, mode = ownMode): Promise<void> {
  const aside = `${path}.new`;
  try {
    await rm(aside, { force: true });
    const file = await open(aside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
    try {
      if (mode !== ownMode) await file.chmod(mode);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    throw new FleetError("store-failed", `${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** Makes what was renamed or created in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

const ownMode = 0o600;
