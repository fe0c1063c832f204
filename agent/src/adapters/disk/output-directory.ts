import { mkdir, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";
import type { OutputFiles } from "../../ports.ts";

/** Writes files into one directory: aside, fsync, rename, fsync of the directory. Throws `data-directory`. */
export function outputDirectory(directory: string): OutputFiles {
  return {
    async write(name, content) {
      try {
        await mkdir(directory, { recursive: true });
        await replaceFile(directory, name, content);
      } catch (cause) {
        throw new FleetError("data-directory", `${join(directory, name)} cannot be written`, {
          cause,
          hint: "check that the disk is not full and the directory belongs to the agent's user",
        });
      }
    },
  };
}

async function replaceFile(directory: string, name: string, content: string): Promise<void> {
  const aside = join(directory, `.${name}.new`);
  const file = await open(aside, "w", 0o644);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, join(directory, name));
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
