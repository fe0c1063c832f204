import { FleetError, span } from "@fleetcert/shared";
import type { Command } from "commander";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, printList, printOne } from "./context.ts";
import { planColumns, planRows } from "./output/plan-rows.ts";
import { requireConfirmation } from "./require-confirmation.ts";
import { wholeNumber } from "./whole-number.ts";

/** `approve HASH`, `approve list|show|reject`. */
export function registerApprove(program: Command, context: CliContext): void {
  const approve = program
    .command("approve")
    .description("approve exactly the plan of a hash as a second person; it is carried out at once")
    .argument("[hash]", "the whole hash of the plan")
    .option("--yes", "do not ask")
    .action(async (hash: string | undefined, options: { yes?: boolean }, command: Command) => {
      if (hash === undefined)
        throw new FleetError("usage", "name the hash of a plan", { hint: "fleetcert approve list" });
      const operations = await connect(context, command);
      if (options.yes !== true) {
        const plan = await operations.plans.show(remoteActor, hash);
        if (context.isInteractive) printOne(context, command, plan, planRows(plan));
        await requireConfirmation(context, options, `Approve this ${plan.kind} of ${plan.requestedBy}?`);
      }
      const done = await operations.plans.approve(remoteActor, hash);
      printOne(context, command, done, [
        ...planRows(done.plan),
        ["blocked", `at the broker after ${span(done.blockedAtBroker)}; ${done.droppedSessions} sessions dropped`],
        ["epoch", String(done.epoch ?? "-")],
      ]);
    });
  approve
    .command("list")
    .description("plans, newest first; those in state open wait for a second person")
    .option("--limit <n>", "at most so many", wholeNumber(1, 1000), 100)
    .action(async (options: { limit: number }, command: Command) => {
      printList(
        context,
        command,
        await (await connect(context, command)).plans.list(remoteActor, options),
        planColumns,
      );
    });
  approve
    .command("show")
    .description("one plan: what it would do, to what, who asked")
    .argument("<hash>", "hash or the beginning of it")
    .action(async (hash: string, _options: object, command: Command) => {
      const plan = await (await connect(context, command)).plans.show(remoteActor, hash);
      printOne(context, command, plan, planRows(plan));
    });
  approve
    .command("reject")
    .description("reject a plan that waits, or take back one's own")
    .argument("<hash>", "the whole hash of the plan")
    .requiredOption("--remark <text>", "why")
    .action(async (hash: string, options: { remark: string }, command: Command) => {
      const plan = await (await connect(context, command)).plans.reject(remoteActor, hash, options.remark);
      printOne(context, command, plan, planRows(plan));
    });
}

/** `bound list|set`. */
export function registerBound(program: Command, context: CliContext): void {
  const bound = program.command("bound").description("what one person may do alone within 24 hours");
  bound
    .command("list")
    .description("the bounds in force")
    .action(async (_options: object, command: Command) => {
      const bounds = await (await connect(context, command)).bounds.show(remoteActor);
      printOne(
        context,
        command,
        bounds,
        Object.entries(bounds).map(([name, value]) => [name, String(value)] as const),
      );
    });
  bound
    .command("set")
    .description("change a bound; raising one needs a second person")
    .argument("<bound>", "revoke, reinstate or claim")
    .argument("<value>", "new bound", wholeNumber(0, 1_000_000_000))
    .action(async (name: string, value: number, _options: object, command: Command) => {
      const bounds = await (await connect(context, command)).bounds.set(remoteActor, name, value);
      printOne(
        context,
        command,
        bounds,
        Object.entries(bounds).map(([one, now]) => [one, String(now)] as const),
      );
    });
}
