import { fromNow, renderOne, span, when } from "@fleetcert/shared";
import type { Command } from "commander";
import { askLocalSocket } from "../adapters/local-socket.ts";
import { type CliContext, dataOf, formatOf } from "./context.ts";
import { socketPath } from "./data-directory.ts";
import type { CertificateView, RevocationView, SlotView, StatusView } from "./status-view.ts";

/** `status`: of the running agent, or of what its files hold. */
export function registerStatus(program: Command, context: CliContext): void {
  program
    .command("status")
    .description("who this device is, its credential, connection and what is under way")
    .action(async (_options: object, command: Command) => {
      const status = await readStatus(dataOf(command, context), context);
      context.stdout(renderOne(status, rowsOf(status), formatOf(command)));
    });
}

/** The status of the agent that runs on a directory, or what its files say. */
async function readStatus(data: string, { env, clock }: CliContext): Promise<StatusView> {
  const answer = await askLocalSocket(socketPath(data), "GET", "/v1/status");
  if (answer !== undefined) return answer as StatusView;
  const { storedStatus } = await import("./stored-state.ts");
  return await storedStatus(data, env, clock);
}

function rowsOf(status: StatusView): [string, string][] {
  const { device, fleet, controller, connection, time, trust, slots } = status;
  const running =
    connection === undefined ? "not running" : `running, ${connection.state}${because(connection.lastError)}`;
  return [
    ["device", `${device} in fleet ${fleet}`],
    ["agent", running],
    ...(status.suspended === "" ? [] : [["suspended", status.suspended] as [string, string]]),
    ...turnedAwayRows(status.turnedAway),
    ["controller", controller],
    ...slots.flatMap((slot) => slotRows(slot, time.at)),
    ["protection", status.protection ?? "-"],
    ["revocation", status.revocation.map(revocationText).join("; ") || "nothing applied yet"],
    ["outbox", status.outbox === undefined ? "-" : `${status.outbox} waiting`],
    ["time", `${when(time.at)}, ${time.status}`],
    [
      "trust",
      trust === undefined ? "none yet" : `era ${trust.era} version ${trust.version}, until ${when(trust.expires)}`,
    ],
  ];
}

function turnedAwayRows(against: StatusView["turnedAway"]): [string, string][] {
  if (against === undefined) return [];
  const { code, message, hint, since } = against;
  return [["turned away", `${message} (${code}, since ${when(since)})${hint === "" ? "" : `; ${hint}`}`]];
}

function slotRows(slot: SlotView, now: number): [string, string][] {
  const { journal, generation, lastError, lastReason, attempts, certificate, renewAt } = slot;
  const trouble = lastError === "" ? "" : `, failed ${attempts}×: ${lastReason} (${lastError})`;
  return [
    [slot.slot, `${journal === "idle" ? "settled" : `${journal} generation ${generation}`}${trouble}`],
    ...(certificate === undefined ? [] : certificateRows(certificate, now)),
    ["renewal", renewAt === undefined ? "not planned" : `planned for ${when(renewAt)} (${fromNow(renewAt, now)})`],
  ];
}

function certificateRows({ generation, serial, notAfter, age, key }: CertificateView, now: number): [string, string][] {
  return [
    ["certificate", `generation ${generation}, serial ${serial}, ${span(age)} old`],
    ["valid", `until ${when(notAfter)} (${fromNow(notAfter, now)})`],
    ["key", key],
  ];
}

function revocationText({ issuer, era, epoch, isStale }: RevocationView): string {
  return `${issuer.slice(0, 16)}… era ${era} epoch ${epoch}${isStale ? ", stale" : ""}`;
}

function because(code: string): string {
  return code === "" ? "" : ` after ${code}`;
}
