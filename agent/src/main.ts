import { exitCodes } from "@fleetcert/shared";
import { systemClock } from "./adapters/system.ts";
import type { CliContext } from "./cli/context.ts";
import { runAsService } from "./cli/run-as-service.ts";
import { isFailpoint } from "./failpoints.ts";
import type { Failpoint } from "./ports.ts";

const interruption = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => interruption.abort());

// Whoever reads no further, such as `head`, interrupts a command; a service goes on without its log.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", () => {
    if (!process.argv.includes("run")) process.exit(exitCodes.interrupted);
  });
}

const args = process.argv.slice(2);
const context: CliContext = {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  env: process.env,
  clock: systemClock,
  failpoint: failpointFrom(process.env["FLEETCERT_FAILPOINT"]),
  interrupted: interruption.signal,
};
process.exitCode = (await runAsService(args, context)) ?? (await runCommand());

async function runCommand(): Promise<number> {
  const { runProgram } = await import("./cli/program.ts");
  return await runProgram(args, context);
}

/** The failpoint named in the environment kills this process as a power cut would; only tests name one. */
function failpointFrom(chosen: string | undefined): Failpoint {
  if (chosen !== undefined && !isFailpoint(chosen)) throw new Error(`there is no failpoint ${chosen}`);
  return async (name) => {
    if (name === chosen) process.kill(process.pid, "SIGKILL");
  };
}
