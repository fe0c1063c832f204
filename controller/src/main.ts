import { createInterface } from "node:readline/promises";
import { exitCodes } from "@fleetcert/shared";
import { registerBroker } from "./cli/broker.ts";
import { registerCaRollover } from "./cli/ca-rollover.ts";
import { connectByOptions } from "./cli/connect.ts";
import type { CliContext } from "./cli/context.ts";
import { registerInit } from "./cli/init.ts";
import { runProgram } from "./cli/program.ts";
import { registerServe } from "./cli/serve.ts";
import { registerTrustRenew } from "./cli/trust-renew.ts";
import { failpoints } from "./failpoints.ts";
import type { Failpoint } from "./ports.ts";

// Whoever reads no further, such as `head`, interrupts a command; a service goes on without its log.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", () => {
    if (!process.argv.includes("serve")) process.exit(exitCodes.interrupted);
  });
}

const context: CliContext = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  isInteractive: process.stdin.isTTY === true && process.stdout.isTTY === true,
  async confirm(question) {
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
    } finally {
      terminal.close();
    }
  },
  now: () => Date.now(),
  connect: (options) => connectByOptions(options, process.env),
};

/** Kills this process at the n-th passing of a failpoint: `FLEETCERT_FAILPOINT=issuance.after-intent:3`. For tests. */
function killingFailpoint(setting: string | undefined): Failpoint {
  if (setting === undefined || setting === "") return async () => undefined;
  const [name = "", count = "1"] = setting.split(":");
  if (!failpoints.some((known) => known === name)) throw new Error(`FLEETCERT_FAILPOINT names no failpoint: ${name}`);
  let left = Number(count);
  return async (passed) => {
    if (passed !== name) return;
    left -= 1;
    if (left > 0) return;
    process.kill(process.pid, "SIGKILL");
    await new Promise(() => undefined);
  };
}

process.exitCode = await runProgram(process.argv.slice(2), context, [
  registerInit,
  (program, shared) => registerServe(program, shared, killingFailpoint(process.env["FLEETCERT_FAILPOINT"])),
  (_program, shared, { trust }) => registerTrustRenew(trust, shared),
  registerCaRollover,
  registerBroker,
]);
