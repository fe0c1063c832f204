import type { Command } from "commander";
import { registerBroker } from "./broker.ts";
import { registerCaRollover } from "./ca-rollover.ts";
import { registerInit } from "./init.ts";
import { buildProgram } from "./program.ts";
import { registerServe } from "./serve.ts";
import { registerTrustRenew } from "./trust-renew.ts";

/** The whole program as the reference page shows it: every command can be looked at, none can be run. */
export function referenceProgram(): Command {
  const none = (): never => {
    throw new Error("this program is only looked at");
  };
  const context = {
    ...{ stdout: none, stderr: none, confirm: none, now: none, connect: none },
    isInteractive: false,
  };
  return buildProgram(context, [
    registerInit,
    (program, shared) => registerServe(program, shared, none),
    (_program, shared, { trust }) => registerTrustRenew(trust, shared),
    registerCaRollover,
    registerBroker,
  ]);
}
