import { systemClock } from "./adapters/system.ts";
import { runProgram } from "./cli/program.ts";
import { isFailpoint } from "./failpoints.ts";
import type { Failpoint } from "./ports.ts";

const interruption = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => interruption.abort());

process.exitCode = await runProgram(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  env: process.env,
  clock: systemClock,
  failpoint: failpointFrom(process.env["FLEETCERT_FAILPOINT"]),
  interrupted: interruption.signal,
});

/** The failpoint named in the environment kills this process as a power cut would; only tests name one. */
function failpointFrom(chosen: string | undefined): Failpoint {
  if (chosen !== undefined && !isFailpoint(chosen)) throw new Error(`there is no failpoint ${chosen}`);
  return async (name) => {
    if (name === chosen) process.kill(process.pid, "SIGKILL");
  };
}
