import { access, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Duration, FleetError, parseCrl, pemDecode, pemEncode } from "@fleetcert/shared";
import type { ListOutput } from "../../ports.ts";
import { runCommand } from "./run-command.ts";

interface Hook {
  readonly command: readonly string[];
  readonly timeout: Duration;
}

/** A file of revocation lists, what else goes into it, and the commands that tell its reader. */
export interface ListOutputConfig {
  readonly file: string;
  /** PEM files with lists of other authorities, read anew each time. */
  readonly include: readonly string[];
  readonly reload?: Hook;
  /** Runs instead of `reload` when an authority's lists have left the file: some readers only ever add what they read. */
  readonly restart?: Hook;
}

/** Opens an output on a file. Throws `data-directory` for files that cannot be read or written. */
export function openListOutput({ file, include, reload, restart }: ListOutputConfig): ListOutput {
  /** There while the reader has to be rid of lists that have left the file; survives the agent. */
  const mark = join(dirname(file), `.${basename(file)}.less`);
  return {
    name: file,
    async replace(pem) {
      const text = pem + (await Promise.all(include.map(readLists))).join("");
      try {
        await mkdir(dirname(file), { recursive: true });
        if (restart !== undefined && (await holdsMore(file, text))) await replaceFile(mark, "");
        await replaceFile(file, text);
      } catch (cause) {
        throw new FleetError("data-directory", `${file} cannot be written`, {
          cause,
          hint: "check that the disk is not full and the agent's user may write there",
        });
      }
    },
    async reload(signal) {
      const isLess = restart !== undefined && (await isThere(mark));
      const hook = isLess ? restart : reload;
      if (hook !== undefined) await runCommand(hook, signal);
      if (isLess) await rm(mark, { force: true });
    },
  };
}

/** Whether the file holds lists of an authority that the text has none of. One that is no PEM of lists holds nothing. */
async function holdsMore(file: string, text: string): Promise<boolean> {
  const before = await readFile(file, "utf8").catch(() => "");
  const after = authoritiesIn(text);
  return [...authoritiesIn(before)].some((one) => !after.has(one));
}

function authoritiesIn(pem: string): Set<string> {
  try {
    return new Set(pemDecode(pem, "X509 CRL").map((der) => Buffer.from(parseCrl(der).issuer.der).toString("hex")));
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return new Set();
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

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
