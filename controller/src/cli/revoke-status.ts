import { FleetError } from "@fleetcert/shared";
import type { Command } from "commander";
import type { PropagationView } from "../access/governed.ts";
import type { Operations } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, printOne } from "./context.ts";
import { bar, short, span, when } from "./output/human.ts";
import { wholeNumber } from "./whole-number.ts";

/** `revoke status [ID]`: how far a revocation has come. */
export function registerRevokeStatus(revoke: Command, context: CliContext): void {
  revoke
    .command("status")
    .description("who has applied a revocation: an epoch, or a plan by its hash; the latest when none is named")
    .argument("[id]", "epoch, or hash of a plan or the beginning of it")
    .option("--wait <seconds>", "wait until every expected device has, at most so long", wholeNumber(1, 86_400))
    .action(async (id: string | undefined, options: { wait?: number }, command: Command) => {
      const operations = await connect(context, command);
      const status = await waitForAll(operations, context, questionOf(id), options.wait ?? 0);
      printStatus(context, command, status);
    });
}

interface Question {
  readonly epoch?: number;
  readonly plan?: string;
}

/** Epochs have at most seven digits here; longer texts are hashes, also where they hold only digits. */
function questionOf(id: string | undefined): Question {
  if (id === undefined) return {};
  if (/^[0-9]{1,7}$/.test(id)) return { epoch: Number(id) };
  if (/^[0-9a-fA-F]{8,64}$/.test(id)) return { plan: id };
  throw new FleetError("usage", `"${id.slice(0, 80)}" is neither an epoch nor the hash of a plan`, {
    hint: "fleetcert approve list",
  });
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
  question: Question,
  seconds: number,
): Promise<PropagationView> {
  const until = context.now() + seconds * 1000;
  for (;;) {
    const status = await operations.revocations.status(remoteActor, question);
    if (status.acknowledged >= status.expected || context.now() >= until) return status;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
