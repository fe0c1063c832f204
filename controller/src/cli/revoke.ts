import { FleetError, reasonCodeNumbers, span } from "@fleetcert/shared";
import { type Command, Option } from "commander";
import type { RevocationPlanView, RevocationRequest } from "../access/governed.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, formatOf, printOne } from "./context.ts";
import { certificateColumns } from "./output/certificate-columns.ts";
import { short } from "./output/human.ts";
import { impactRows } from "./output/impact-rows.ts";
import { planRows } from "./output/plan-rows.ts";
import { renderList } from "./output/render.ts";
import { requireConfirmation } from "./require-confirmation.ts";
import { registerRevokeStatus } from "./revoke-status.ts";
import { addSelectionOptions, type SelectionOptions, selectionOf } from "./selection-options.ts";
import { wholeNumber } from "./whole-number.ts";

/** `revoke` with its `status`, `undo`, `pause`, `resume` and `abort`. */
export function registerRevoke(program: Command, context: CliContext): void {
  const revoke = addSelectionOptions(program.command("revoke"))
    .description("revoke devices or certificates; sessions are dropped and the lists published at once")
    .addOption(new Option("--reason <code>", "RFC 5280 reason").choices(Object.keys(reasonCodeNumbers)))
    .option("--hold", "put on hold instead: it can be undone (reason certificateHold)")
    .option("--invalid-since <date>", "since when the key may have been another's, ISO 8601")
    .option("--rate <n>", "in stages of so many devices a minute", wholeNumber(1, 1_000_000))
    .option("--dry-run", "show the blast radius and the hash of the plan, and do nothing")
    .option("--yes", "do not ask")
    .action((options: RevokeOptions, command: Command) => run(context, options, command));
  registerRevokeStatus(revoke, context);
  addSelectionOptions(revoke.command("undo"))
    .description("lift holds; nothing else can be undone")
    .action(async (_options: SelectionOptions, command: Command) => {
      const operations = await connect(context, command);
      // The parent has options of the same names, and takes them wherever they stand.
      const plan = await operations.revocations.undo(remoteActor, await selectionOf(command.optsWithGlobals()));
      printOne(context, command, plan, planRows(plan));
    });
  for (const wish of ["pause", "resume", "abort"] as const) {
    revoke
      .command(wish)
      .description(`${wish} a plan that is carried out in stages; what is done stays done`)
      .argument("<plan>", "hash or the beginning of it")
      .action(async (hash: string, _options: object, command: Command) => {
        const plan = await (await connect(context, command)).plans.control(remoteActor, hash, wish);
        printOne(context, command, plan, planRows(plan));
      });
  }
}

interface RevokeOptions extends SelectionOptions {
  readonly reason?: string;
  readonly hold?: boolean;
  readonly invalidSince?: string;
  readonly rate?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

async function run(context: CliContext, options: RevokeOptions, command: Command): Promise<void> {
  const request = await requestOf(options);
  const operations = await connect(context, command);
  const plan = await operations.revocations.plan(remoteActor, request);
  if (options.dryRun === true) {
    printPlan(context, command, plan);
    return;
  }
  if (options.yes !== true && context.isInteractive) printPlan(context, command, plan);
  const { devices, certificates } = plan.impact;
  await requireConfirmation(context, options, `Revoke ${certificates} certificates of ${devices} devices?`);
  const done = await operations.revocations.revoke(remoteActor, request);
  printOne(context, command, done, [
    ["plan", done.plan.hash],
    ["state", done.state],
    ["revoked", `${done.plan.impact.certificates} certificates of ${done.plan.impact.devices} devices`],
    ["blocked", `at the broker after ${span(done.blockedAtBroker)}; ${done.droppedSessions} sessions dropped`],
    ["epoch", String(done.epoch)],
  ]);
  if (formatOf(command) === "table")
    context.stderr(`next: fleetcert revoke status ${short(done.plan.hash).slice(0, 16)}\n`);
}

async function requestOf(options: RevokeOptions): Promise<RevocationRequest> {
  const { reason, hold = false, invalidSince, rate } = options;
  if ((reason === undefined) === !hold) throw new FleetError("usage", "name either --reason or --hold");
  const invalidityDate = invalidSince === undefined ? undefined : Date.parse(invalidSince);
  if (invalidityDate !== undefined && Number.isNaN(invalidityDate)) {
    throw new FleetError("usage", `--invalid-since ${invalidSince} is no date`, { hint: "such as 2026-11-20T08:00Z" });
  }
  return {
    ...(await selectionOf(options)),
    reason: reason ?? "certificateHold",
    ...(invalidityDate !== undefined && { invalidityDate }),
    ...(rate !== undefined && { rate }),
  };
}

function printPlan(context: CliContext, command: Command, plan: RevocationPlanView): void {
  printOne(context, command, plan, [
    ["plan", plan.hash],
    ...impactRows(plan.impact),
    ["suspends", plan.suspends ? "yes: no certificate until a person reinstates" : "no"],
    ["second person", plan.aboveBound ? "needed: above what one person may do within 24 hours" : "not needed"],
  ]);
  if (formatOf(command) === "table")
    context.stdout(`\n${renderList(plan.certificates.slice(0, 20), certificateColumns(context.now()), "table")}`);
}
