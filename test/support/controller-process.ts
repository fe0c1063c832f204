import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connectController, type Operations } from "@fleetcert/controller";
import type { DeviceEndpoints } from "./socket-device.ts";

/** A controller in a process of its own. */
export interface ControllerProcess {
  readonly child: ChildProcess;
  readonly endpoints: DeviceEndpoints & { readonly http: { readonly port: number } };
  readonly operations: Operations;
  /** The signal or exit code it ended with. */
  readonly ended: Promise<string | number>;
  /** Everything it wrote to standard error. */
  readonly errors: () => string;
  stop(): Promise<void>;
}

/** Starts `fleetcert serve`; resolves with undefined when it ended before it served. */
export async function startControllerProcess(data: string, failpoint = ""): Promise<ControllerProcess | undefined> {
  const args = [
    "--disable-warning=ExperimentalWarning",
    main,
    "serve",
    "--data",
    data,
    "--json",
    "--log-level",
    "error",
  ];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, FLEETCERT_FAILPOINT: failpoint },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const ended = once(child, "exit").then(([code, signal]) => (signal ?? code) as string | number);
  const line = await Promise.race([once(createInterface(child.stdout), "line"), ended.then(() => undefined)]);
  if (line === undefined) return undefined;
  const { endpoints } = JSON.parse(line[0] as string) as Pick<ControllerProcess, "endpoints">;
  return {
    child,
    endpoints,
    operations: await connectController({ data }, {}),
    ended,
    errors: () => errors,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

const main = join(import.meta.dirname, "../../controller/src/main.ts");
