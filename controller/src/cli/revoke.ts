import { FleetError, reasonCodeNumbers } from "@fleetcert/shared";
import { type Command, Option } from "commander";
import type { Operations, PropagationView, RevocationPlanView, RevocationSelection } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { certificateColumns } from "./certificate-columns.ts";
import { type CliContext, connect, formatOf, printOne } from "./context.ts";
import { bar, short, span, when } from "./output/human.ts";
import { renderList } from "./output/render.ts";
import { requireConfirmation } from "./require-confirmation.ts";
import { wholeNumber } from "./whole-number.ts";

/** `revoke` and `revocation status`. */
export function registerRevoke(program: Command, context: CliContext): void {
  program
    .command("revoke")
    .description("revoke a device or one certificate; sessions are dropped and the CRL published at once")
    .option("--device <id>", "the device: it is suspended and all its certificates are revoked")
    .option("--serial <hex>", "one certificate")
    .addOption(
      new Option("--reason <code>", "RFC 5280 reason").choices(Object.keys(reasonCodeNumbers)).makeOptionMandatory(),
    )
    .option("--dry-run", "show what would happen and do nothing")
    .option("--yes", "do not ask")
    .action(async (options: RevokeOptions, command: Command) => {
      const selection = selectionOf(options);
      const operations = await connect(context, command);
      const plan = await operations.revocations.plan(remoteActor, selection);
      if (options.dryRun === true) {
        printPlan(context, command, plan);
        return;
      }
      if (options.yes !== true && context.isInteractive) printPlan(context, command, plan);
      await requireConfirmation(
        context,
        options,
        `Revoke ${plan.certificates.length} certificates of ${plan.devices.join(", ")}?`,
      );
      const done = await operations.revocations.revoke(remoteActor, selection);
      printOne(context, command, done, [
        ["revoked", `${done.plan.certificates.length} certificates of ${done.plan.devices.length} devices`],
        ["blocked", `at the broker after ${span(done.blockedAtBroker)}; ${done.droppedSessions} sessions dropped`],
        ["epoch", String(done.epoch)],
      ]);
      if (formatOf(command) === "table") context.stderr(`next: fleetcert revocation status ${done.epoch}\n`);
    });

  program
    .command("revocation")
    .description("how far revocations have come")
    .command("status")
    .description("who has applied an epoch; the latest when none is named")
    .argument("[epoch]", "epoch", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option("--wait <seconds>", "wait until every expected device has, at most so long", wholeNumber(1, 86_400))
    .action(async (epoch: number | undefined, options: { wait?: number }, command: Command) => {
      const operations = await connect(context, command);
      const status = await waitForAll(operations, context, epoch, options.wait ?? 0);
      printStatus(context, command, status);
    });
}

interface RevokeOptions {
  readonly device?: string;
  readonly serial?: string;
  readonly reason: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

function selectionOf({ device, serial, reason }: RevokeOptions): RevocationSelection {
  if (device !== undefined && serial === undefined) return { device, reason };
  if (serial !== undefined && device === undefined) return { serial, reason };
  throw new FleetError("usage", "name either --device or --serial");
}

function printPlan(context: CliContext, command: Command, plan: RevocationPlanView): void {
  printOne(context, command, plan, [
    ["devices", plan.devices.join(", ")],
    ["certificates", String(plan.certificates.length)],
    ["sites", plan.sites.join(", ")],
    ["owners", plan.owners.join(", ")],
    ["offline", String(plan.offline)],
    ["suspends", plan.suspends ? "yes: no certificate until a person reinstates" : "no"],
    ["above bound", plan.aboveBound ? "yes: more than one person may do alone; it is refused" : "no"],
  ]);
  if (formatOf(command) === "table")
    context.stdout(`\n${renderList(plan.certificates, certificateColumns(context.now()), "table")}`);
}

function printStatus(context: CliContext, command: Command, status: PropagationView): void {
  const drawn = bar(status.acknowledged, status.expected);
  printOne(context, command, status, [
    ["issuer", short(status.issuer)],
    ["epoch", `${status.epoch}, asked for ${when(status.requestedAt)}`],
    ["broker", `blocked after ${span(status.blockedAtBroker)}`],
    ["devices", `${drawn} ${status.acknowledged}/${status.expected}`],
    ["p50, p95", `${span(status.p50)}, ${span(status.p95)}`],
    [
      "waiting",
      status.waiting.slice(0, 20).join(", ") +
        (status.waiting.length > 20 ? ` and ${status.waiting.length - 20} more` : ""),
    ],
  ]);
}

async function waitForAll(
  operations: Operations,
  context: CliContext,
  epoch: number | undefined,
  seconds: number,
): Promise<PropagationView> {
  const until = context.now() + seconds * 1000;
  for (;;) {
    const status = await operations.revocations.status(remoteActor, epoch);
    if (status.acknowledged >= status.expected || context.now() >= until) return status;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
