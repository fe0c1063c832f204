import { spawn } from "node:child_process";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Duration, FleetError, pemDecode, pemEncode } from "@fleetcert/shared";
import type { ListOutput } from "../ports.ts";

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

/**
 * Runs a program with fixed arguments, without a shell, in a process group of its own; past its time, or when the signal comes,
 * the whole group is killed. Of what it prints the end is kept for the error.
 */
async function runCommand(
  { command, timeout }: { readonly command: readonly string[]; readonly timeout: Duration },
  signal: AbortSignal,
): Promise<void> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
  });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString("utf8")).slice(-maxOutput);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, timeout);
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  try {
    const ended = await new Promise<{ code: number | null; by: string | null }>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, by) => resolve({ code, by }));
    });
    if (isLate) throw new FleetError("timeout", `${program} did not end within ${timeout} ms and was killed`);
    if (ended.code !== 0) {
      throw new FleetError("hook-failed", `${program} ended with ${ended.code ?? ended.by}: ${output.trim()}`);
    }
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError("hook-failed", `${program} cannot be started`, { cause });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
    // Children it left behind may hold the pipes open.
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

const maxOutput = 2048;
