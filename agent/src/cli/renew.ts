import { type ErrorCode, errorCatalogue, FleetError, parseDuration, renderOne } from "@fleetcert/shared";
import type { Command } from "commander";
import { askLocalSocket } from "../adapters/local-socket.ts";
import { systemTimer } from "../adapters/system.ts";
import { type CliContext, dataOf, formatOf } from "./context.ts";
import { socketPath } from "./data-directory.ts";
import type { WantedRenewal } from "./require-renewable.ts";
import type { SlotView, StatusView } from "./status-view.ts";

/** `renew`: asks the running agent for a new generation of a slot, and waits for it if that is wanted. */
export function registerRenew(program: Command, context: CliContext): void {
  program
    .command("renew")
    .description("have the running agent rotate a credential now: its identity's, or that of a service")
    .option("--slot <name>", "which slot; fleetcert-agent status names them", "identity")
    .option("--dry-run", "only say what would be asked for, and whether anything stands against it")
    .option("--wait", "until the new credential is proven in use, with progress; fails when it came to nothing")
    .option("--timeout <duration>", "how long to wait; the agent goes on", "2m")
    .action(async (options: RenewOptions, command: Command) => {
      const timeout = parseDuration(options.timeout);
      const data = dataOf(command, context);
      const query = `slot=${encodeURIComponent(options.slot)}${options.dryRun === true ? "&dry-run=true" : ""}`;
      const wanted = (await ask(data, "POST", `/v1/renew?${query}`)) as WantedRenewal & { readonly accepted: boolean };
      const { slot, generation, accepted } = wanted;
      if (accepted && options.wait === true) await untilProven(data, context, { slot, generation, timeout });
      const told = !accepted ? "would begin" : options.wait === true ? "proven in use" : "begun";
      const next = accepted && options.wait !== true ? "; see fleetcert-agent status" : "";
      const rows: [string, string][] = [["renewal", `${slot} generation ${generation} ${told}${next}`]];
      context.stdout(renderOne(wanted, rows, formatOf(command)));
    });
}

interface RenewOptions {
  readonly slot: string;
  readonly dryRun?: true;
  readonly wait?: true;
  readonly timeout: string;
}

async function ask(data: string, method: "GET" | "POST", resource: string): Promise<unknown> {
  const answer = await askLocalSocket(socketPath(data), method, resource);
  if (answer !== undefined) return answer;
  throw new FleetError("offline", `no agent is running on ${data}`, { hint: `fleetcert-agent run --data ${data}` });
}

/** Every step goes to standard error. Throws what went wrong when the service went back, or when it takes too long. */
async function untilProven(
  data: string,
  { stderr, interrupted }: CliContext,
  { slot, generation, timeout }: WantedRenewal & { readonly timeout: number },
): Promise<void> {
  const signal = AbortSignal.any([AbortSignal.timeout(timeout), interrupted]);
  let rollbacks: number | undefined;
  let before = "";
  for (;;) {
    const { slots } = (await ask(data, "GET", "/v1/status")) as StatusView;
    const shown = slots.find((one) => one.slot === slot);
    const line = `${slot}: ${shown?.journal} generation ${shown?.generation}${troubleOf(shown)}\n`;
    if (line !== before) stderr(line);
    before = line;
    if ((shown?.certificate?.generation ?? 0) >= generation) return;
    rollbacks ??= shown?.rollbacks ?? 0;
    if (shown !== undefined && shown.rollbacks > rollbacks) throw wentBack(shown);
    if (signal.aborted) throw tooLate(shown, timeout);
    await systemTimer.sleep(pollInterval, signal).catch(() => undefined);
  }
}

function troubleOf(shown: SlotView | undefined): string {
  return shown === undefined || shown.lastError === "" ? "" : `, ${shown.lastReason} (${shown.lastError})`;
}

function wentBack({ slot, rollbackCause, lastError }: SlotView): FleetError {
  return new FleetError(
    codeOf(lastError, "hook-failed"),
    `the service of ${slot} went back to its certificate of before: ${rollbackCause}`,
    { hint: "correct its configuration; the agent tries the same certificate again by itself" },
  );
}

function tooLate(shown: SlotView | undefined, timeout: number): FleetError {
  const { lastError = "", lastReason = "" } = shown ?? {};
  const why = lastError === "" ? `it is ${shown?.journal}` : lastReason;
  return new FleetError(
    codeOf(lastError, "timeout"),
    `the renewal is not through within ${Math.round(timeout / 1000)} s: ${why}`,
    { hint: "the agent goes on; fleetcert-agent status shows how far it is" },
  );
}

function codeOf(text: string, otherwise: ErrorCode): ErrorCode {
  return text in errorCatalogue ? (text as ErrorCode) : otherwise;
}

const pollInterval = 100;
