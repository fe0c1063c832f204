import { FleetError } from "@fleetcert/shared";
import type { Command } from "commander";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, printList, printOne } from "./context.ts";
import { wholeNumber } from "./whole-number.ts";

/** `audit list|verify`. */
export function registerAudit(program: Command, context: CliContext): void {
  const audit = program.command("audit").description("what happened, chained and verifiable");

  audit
    .command("list")
    .description("entries in order")
    .option("--from <sequence>", "first entry", wholeNumber(1, Number.MAX_SAFE_INTEGER), 1)
    .option("--limit <n>", "at most so many", wholeNumber(1, 1000), 1000)
    .action(async (options: { from: number; limit: number }, command: Command) => {
      const entries = await (await connect(context, command)).audit.list(remoteActor, options);
      printList(context, command, entries, [
        { head: "seq", text: ({ sequence }) => String(sequence) },
        { head: "at", text: ({ at }) => new Date(at).toISOString() },
        { head: "actor", text: ({ actor }) => actor },
        { head: "action", text: ({ action }) => action },
        { head: "target", text: ({ target }) => target },
        { head: "outcome", text: ({ outcome }) => outcome },
        { head: "details", text: ({ details }) => details },
      ]);
    });

  audit
    .command("verify")
    .description("verify the chain from its beginning; names the first bad entry")
    .action(async (_options: object, command: Command) => {
      const verdict = await (await connect(context, command)).audit.verify(remoteActor);
      printOne(context, command, verdict, [
        ["audit", verdict.ok ? "✔ the chain verifies" : "✖ the chain is broken"],
        ["entries", String(verdict.entries)],
      ]);
      if (verdict.ok) return;
      const { sequence, why } = verdict.firstBad ?? { sequence: 0, why: "unknown" };
      throw new FleetError("audit-broken", `entry ${sequence}: ${why}`, {
        hint: "keep the database as it is and compare it with the last exported checkpoint",
      });
    });
}
