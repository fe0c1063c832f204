import {
  type ErrorCode,
  errorCatalogue,
  errorRemedies,
  exitCodes,
  FleetError,
  fromNow,
  parseDuration,
  renderOne,
  when,
} from "@fleetcert/shared";
import type { Command } from "commander";
import { systemTimer } from "../adapters/system.ts";
import type { RunningAgent } from "./assemble-agent.ts";
import { type CliContext, dataOf, formatOf } from "./context.ts";
import { addEnrolmentOptions, type EnrolmentOptions, enrolmentChanges } from "./enrolment-options.ts";
import { loadKeptConfig } from "./kept-config.ts";
import { loadConfig, saveConfig } from "./load-config.ts";
import type { readClaim } from "./start-agent.ts";
import type { StatusView } from "./status-view.ts";

interface EnrolOptions extends EnrolmentOptions {
  readonly timeout: string;
}

/** `enrol`: the first credential, by a claim. */
export function registerEnrol(program: Command, context: CliContext): void {
  addEnrolmentOptions(program.command("enrol"))
    .description(
      "get the first credential of this device, or one anew by a person's permission, by a claim; asking again goes on where it was",
    )
    .option("--timeout <duration>", "how long to try before giving up; the agent goes on when it is run", "2m")
    .action(async (options: EnrolOptions, command: Command) => {
      const data = dataOf(command, context);
      const config = await loadConfig(data, context.env, enrolmentChanges(options));
      const timeout = parseDuration(options.timeout);
      const { startAgent } = await import("./start-agent.ts");
      const agent = await startAgent(config, { failpoint: context.failpoint, log: quietLog });
      try {
        await saveConfig(config);
        // Read once more as the service will read it, so that even its first start has it at hand.
        await loadKeptConfig(data, context.env);
        const generation = await generationToReach(config);
        const status = await untilEnrolled(agent, { generation, timeout, interrupted: context.interrupted });
        context.stdout(renderOne(status, enrolledRows(status, data), formatOf(command)));
      } finally {
        await agent.stop();
      }
    });
}

/** The first, or the one a claim permits to enrol anew with. */
async function generationToReach(config: Parameters<typeof readClaim>[0]): Promise<number> {
  const { readClaim } = await import("./start-agent.ts");
  const claim = await readClaim(config).catch(() => undefined);
  return claim?.reenrolment?.generation ?? 1;
}

/** Waits until a credential is proven. A refusal a person must act on ends the wait, what may pass by itself does not. */
async function untilEnrolled(
  agent: RunningAgent,
  {
    generation,
    timeout,
    interrupted,
  }: { readonly generation: number; readonly timeout: number; readonly interrupted: AbortSignal },
): Promise<StatusView> {
  const late = AbortSignal.timeout(timeout);
  const signal = AbortSignal.any([late, interrupted]);
  const failure = agent.ended.then(() => undefined);
  for (;;) {
    const status = agent.status();
    const [slot] = status.slots;
    const isReached = (slot?.certificate?.generation ?? 0) >= generation;
    if (isReached && settledStates.has(slot?.journal ?? "")) return status;
    if (slot?.journal === "retired") throw failed("this device was retired", "device-retired");
    // What went wrong with an earlier generation is not about this claim.
    const code = isReached || (slot?.generation ?? 0) >= generation ? (slot?.lastError ?? "") : "";
    if (code !== "" && !isPassing(code)) throw failed(slot?.lastReason ?? "", code);
    if (late.aborted) throw code === "" ? failed("no answer yet", "timeout") : failed(slot?.lastReason ?? "", code);
    if (interrupted.aborted) throw new FleetError("timeout", "interrupted", { hint: "run the same command again" });
    await Promise.race([systemTimer.sleep(pollInterval, signal).catch(() => undefined), failure]);
  }
}

function failed(reason: string, code: string): FleetError {
  const known = code in errorCatalogue ? (code as ErrorCode) : "denied";
  return new FleetError(known, reason === "" ? `the device could not enrol (${code})` : reason, {
    hint:
      hints[code] ?? (isPassing(code) ? "run the same command again; it goes on where it was" : errorRemedies[known]),
  });
}

/** Whether a failure may pass without anybody's doing. */
function isPassing(code: string): boolean {
  if (!(code in errorCatalogue)) return false;
  const { exit } = errorCatalogue[code as ErrorCode];
  return exit === exitCodes.offline || exit === exitCodes.temporary;
}

function enrolledRows(status: StatusView, data: string): [string, string][] {
  const certificate = status.slots[0]?.certificate;
  const until = certificate?.notAfter ?? 0;
  return [
    ["enrolled", `${status.device} in fleet ${status.fleet}`],
    ["certificate", `generation ${certificate?.generation}, serial ${certificate?.serial}`],
    ["valid", `until ${when(until)} (${fromNow(until, status.time.at)})`],
    ["key", `${certificate?.key} (${status.protection})`],
    ["next", `fleetcert-agent run --data ${data}`],
  ];
}

const quietLog = { info: () => undefined, warn: () => undefined, error: () => undefined };
const hints: Readonly<Record<string, string>> = {
  denied:
    "the controller does not know this claim, took it back, or knows another secret: fleetcert claim create makes a new one",
  "claim-invalid": "ask for a new claim: fleetcert claim create",
  "device-exists":
    "another device has or had this id; choose another with --device-id, or have a person permit it: fleetcert device reenrol ID",
  "device-retired": "enrol it as another device, with another --device-id and another --data directory",
  "path-invalid": "compare the root fingerprint with what `fleetcert trust show` prints; something may sit in between",
  offline: "check the address, the network and that `fleetcert serve` is running",
};
/** The new credential is proven; the old one may still be in its grace. */
const settledStates: ReadonlySet<string> = new Set(["idle", "confirmed", "oldRetired"]);
const pollInterval = 50;
