import { mkdir, open, readFile, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Duration, FleetError, pemDecode, pemEncode } from "@fleetcert/shared";
import type { ListOutput } from "../../ports.ts";
import { runCommand } from "./run-command.ts";

/** A file of revocation lists, what else goes into it, and the command that tells its reader. */
export interface ListOutputConfig {
  readonly file: string;
  /** PEM files with lists of other authorities, read anew each time. */
  readonly include: readonly string[];
  readonly reload?: { readonly command: readonly string[]; readonly timeout: Duration };
}

/** Opens an output on a file. Throws `data-directory` for files that cannot be read or written. */
export function openListOutput({ file, include, reload }: ListOutputConfig): ListOutput {
  return {
    name: file,
    async replace(pem) {
      const others = await Promise.all(include.map(readLists));
      try {
        await mkdir(dirname(file), { recursive: true });
        await replaceFile(file, pem + others.join(""));
      } catch (cause) {
        throw new FleetError("data-directory", `${file} cannot be written`, {
          cause,
          hint: "check that the disk is not full and the agent's user may write there",
        });
      }
    },
    async reload(signal) {
      if (reload !== undefined) await runCommand(reload, signal);
    },
  };
}

async function readLists(file: string): Promise<string> {
  try {
    const lists = pemDecode(await readFile(file, "utf8"), "X509 CRL");
    return lists.map((der) => pemEncode("X509 CRL", der)).join("");
  } catch (cause) {
    throw new FleetError("data-directory", `${file} is no readable PEM of revocation lists`, { cause });
  }
}

/** Aside, fsync, rename, fsync of the directory. Lists are public: everybody may read them. */
async function replaceFile(file: string, content: string): Promise<void> {
  const aside = join(dirname(file), `.${basename(file)}.new`);
  const handle = await open(aside, "w", 0o644);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, file);
  const directory = await open(dirname(file), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
