import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { keepListsBelow } from "../revocation/made-lists.ts";

/** A program of this checkout that runs as a process of its own. */
export interface Program {
  readonly pid: number;
  /** The signal or exit code it ended with. */
  readonly ended: Promise<NodeJS.Signals | number>;
  /** Undefined while it runs. */
  readonly end: NodeJS.Signals | number | undefined;
  /** Everything written to standard output and standard error so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** kill -9, waited for. */
  kill(): Promise<void>;
  /** SIGTERM, waited for; SIGKILL when that does not end it within 10 seconds. */
  stop(): Promise<void>;
}

/** Starts a TypeScript program of the repository, named by its path from the root. */
export function startProgram(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Program {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", join(root, path), ...args], {
    env: { NODE_COMPILE_CACHE: compileCache, ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
    });
  }
  running.add(child);
  let end: NodeJS.Signals | number | undefined;
  const ended = new Promise<NodeJS.Signals | number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      end = signal ?? code ?? 0;
      keepLists(args, env);
      running.delete(child);
      resolve(end);
    });
  });
  return {
    pid: child.pid ?? 0,
    ended,
    get end() {
      return end;
    },
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    async stop() {
      child.kill("SIGTERM");
      const late = sleep(10_000, "late", { ref: false });
      if ((await Promise.race([ended, late])) === "late") child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Lists that a controller has made which was given this data directory, or the demo's in this folder. */
function keepLists(args: readonly string[], env: Readonly<Record<string, string>>): void {
  const demo = env["FLEETCERT_DEMO_IN"];
  const folder = args[0] === "serve" ? args[args.indexOf("--data") + 1] : demo && join(demo, ".demo");
  if (folder !== undefined) keepListsBelow(folder);
}

/** Ends what a test that failed has left running; for `afterAll`. */
export async function endPrograms(): Promise<void> {
  const ended = [...running].map((child) => new Promise((resolve) => child.once("close", resolve)));
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(ended);
}

/** Asks again and again until the answer is not undefined; throws with what `complain` says when the time is over. */
export async function untilSeen<T>(
  look: () => Promise<T | undefined>,
  { within, complain }: { readonly within: number; readonly complain: () => string | Promise<string> },
): Promise<T> {
  const end = performance.now() + within;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() > end) throw new Error(`not within ${within} ms: ${await complain()}`);
    await sleep(50);
  }
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
const root = join(import.meta.dirname, "../../..");
/** Programs start in half the time when their code need not be compiled again. */
const compileCache = join(tmpdir(), "fleetcert-test-compile-cache");
