import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { OptionalPart } from "./optional-part.ts";

const clientModule = [
  "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so",
  "/usr/lib/aarch64-linux-gnu/pkcs11/p11-kit-client.so",
  "/usr/lib64/pkcs11/p11-kit-client.so",
].find((path) => existsSync(path));

/** For `describeWith`. */
export const p11KitPart: OptionalPart = {
  name: "p11-kit",
  isPresent: clientModule !== undefined && existsSync("/usr/bin/p11-kit"),
  install: "sudo apt-get install p11-kit p11-kit-modules",
};

/** A PKCS#11 module that runs in a process of its own. */
export interface RemoteModule {
  /** The client that forwards calls to it. */
  readonly modulePath: string;
  /** kill -9 of the server and of the process in which the module runs. */
  crash(): Promise<void>;
  /** The same again, at the same address. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Runs a module behind a p11-kit server. The client reads its address from the environment: one for each process. */
export async function startRemoteModule(
  modulePath: string,
  env: Readonly<Record<string, string>>,
): Promise<RemoteModule> {
  if (clientModule === undefined)
    throw new Error("p11-kit is not installed: sudo apt-get install p11-kit p11-kit-modules");
  const directory = mkdtempSync(join(tmpdir(), "fc-kit-"));
  const socket = join(directory, "sock");
  process.env["P11_KIT_SERVER_ADDRESS"] = `unix:path=${socket}`;
  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    rmSync(socket, { force: true });
    const args = ["server", "-f", "-n", socket, "--provider", modulePath, "pkcs11:"];
    const child = spawn("/usr/bin/p11-kit", args, { env: { ...process.env, ...env }, stdio: "ignore" });
    process.once("exit", () => child.kill("SIGKILL"));
    server = child;
    for (let attempt = 0; !existsSync(socket); attempt++) {
      if (child.exitCode !== null || attempt > 400) throw new Error(`the p11-kit server ended with ${child.exitCode}`);
      await sleep(10);
    }
  };
  const crash = async (): Promise<void> => {
    if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    for (const pid of [server.pid, ...childrenOf(server.pid)]) process.kill(pid, "SIGKILL");
    await ended;
  };
  await start();
  return {
    modulePath: clientModule,
    crash,
    start,
    async stop() {
      await crash();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The server has a process for each of its clients. */
function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((name) => parentOf(name) === parent)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\s+([0-9]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
  } catch {
    return undefined;
  }
}
