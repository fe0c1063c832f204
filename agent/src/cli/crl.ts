import { exitCodes, renderListing, Serial, span, when } from "@fleetcert/shared";
import type { Command } from "commander";
import { askLocalSocket } from "../adapters/local-socket.ts";
import type { UnknownCause } from "../revocation/held-epoch.ts";
import type { HeldIssuer, RevocationAnswer, RevocationCache } from "../revocation/revocation-cache.ts";
import { type CliContext, dataOf, formatOf, QuietExit } from "./context.ts";
import { socketPath } from "./data-directory.ts";

/** `crl show` and `crl check`: what this device knows of revocations, with or without a network, running or not. */
export function registerCrl(program: Command, context: CliContext): void {
  const crl = program.command("crl").description("the revocation state this device enforces");
  crl
    .command("show")
    .description("what was applied, issuer by issuer")
    .action(async (_options: object, command: Command) => {
      const held = await ask<HeldIssuer[]>(command, context, { resource: "/v1/revocation", stored: (it) => it.show() });
      const heads = ["issuer", "era", "epoch", "this update", "fresh until", "state", "shards", "revoked", "held"];
      context.stdout(renderListing(held, { heads, rows: held.map(heldRow) }, formatOf(command)));
    });
  crl
    .command("check")
    .description(
      "whether a certificate is revoked; exit 0 when it is good, 11 when it is revoked, 75 when that is not known",
    )
    .argument("<serial>", "serial number, hex")
    .option("--slot <name>", "judge stale state by the policy of this slot")
    .action(async (text: string, { slot }: { slot?: string }, command: Command) => {
      const serial = Serial.parse(text);
      const resource = `/v1/revocation/${serial.hex}${slot === undefined ? "" : `?slot=${slot}`}`;
      const answers = await ask<RevocationAnswer[]>(command, context, { resource, stored: (it) => it.check(serial) });
      const heads = ["issuer", "answer", "epoch", "age"];
      context.stdout(renderListing(answers, { heads, rows: answers.map(answerRow) }, formatOf(command)));
      const code = exitCodeOf(answers);
      if (code !== exitCodes.ok) throw new QuietExit(code);
    });
}

async function ask<T>(
  command: Command,
  context: CliContext,
  { resource, stored }: { readonly resource: string; readonly stored: (revocation: RevocationCache) => T },
): Promise<T> {
  const data = dataOf(command, context);
  const answer = await askLocalSocket(socketPath(data), "GET", resource);
  if (answer !== undefined) return answer as T;
  const { withStoredRevocation } = await import("./stored-state.ts");
  return await withStoredRevocation(data, context.clock, stored);
}

/** The exit code is the answer, so that scripts need not read it. */
function exitCodeOf(answers: readonly RevocationAnswer[]): number {
  if (answers.some(({ status }) => status === "revoked")) return exitCodes.verification;
  return answers.some(({ status }) => status === "good") ? exitCodes.ok : exitCodes.temporary;
}

function heldRow({ issuer, name, era, epoch, thisUpdate, nextUpdate, age, isStale, shards }: HeldIssuer): string[] {
  const entries = shards.reduce((sum, shard) => sum + (shard.entries ?? 0), 0);
  const state = isStale ? `stale, ${span(age)} old` : `fresh, ${span(age)} old`;
  const label = `${name} (${issuer.slice(0, 16)}…)`;
  return [
    label,
    `${era}`,
    `${epoch}`,
    when(thisUpdate),
    when(nextUpdate),
    state,
    `${shards.length}`,
    `${entries}`,
    heldText(shards),
  ];
}

function heldText(shards: HeldIssuer["shards"]): string {
  const kinds = ["snapshot", "list"] as const;
  const held = kinds.filter((kind) => shards.length > 0 && shards.every(({ holds }) => holds.includes(kind)));
  return held.join(" and ") || (shards.length === 0 ? "-" : "in part");
}

function answerRow(answer: RevocationAnswer): string[] {
  const { issuer, epoch } = answer;
  return [
    `${issuer.slice(0, 16)}…`,
    verdictText(answer),
    epoch === undefined ? "-" : `${epoch.epoch}`,
    epoch ? span(epoch.age) : "-",
  ];
}

function verdictText(answer: RevocationAnswer): string {
  if (answer.status === "good") return "good";
  if (answer.status === "unknown") return `unknown (${whys[answer.why]})`;
  return answer.at === undefined ? "revoked" : `revoked since ${when(answer.at)} (${answer.reason})`;
}

const whys: Readonly<Record<UnknownCause, string>> = {
  "nothing-held": "nothing was applied yet",
  "too-old": "the snapshot is too old",
  "not-ours": "not ours",
  stale: "the state is older than the policy allows",
  damaged: "damaged on the disk, fetched again with the next session",
};
