import { FleetError, fromNow, span, when } from "@fleetcert/shared";
import type { Command } from "commander";
import type { PropagationView } from "../access/governed.ts";
import type { Operations } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, formatOf, printOne } from "./context.ts";
import { bar, short } from "./output/human.ts";
import { wholeNumber } from "./whole-number.ts";

/** `revoke status [ID]`: how far a revocation has come. */
export function registerRevokeStatus(revoke: Command, context: CliContext): void {
  revoke
    .command("status")
    .description("who has applied a revocation: an epoch, or a plan by its hash; the latest when none is named")
    .argument("[id]", "epoch, or hash of a plan or the beginning of it")
    .option("--wait <seconds>", "wait until every expected device has, at most so long", wholeNumber(1, 86_400))
    .option("--watch", "draw it anew every second until every expected device has")
    .action(async (id: string | undefined, options: { wait?: number; watch?: boolean }, command: Command) => {
      const operations = await connect(context, command);
      const question = questionOf(id);
      const drawn = (status: PropagationView) => printStatus(context, command, status);
      if (options.watch === true) await watch(operations, { question, drawn, context, command });
      else drawn(await waitForAll(operations, context, question, options.wait ?? 0));
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
  const { p50, p95, p99, max } = status;
  printOne(context, command, status, [
    ["issuer", short(status.issuer)],
    ["epoch", `${status.epoch}, asked for ${when(status.requestedAt)}`],
    ["broker", `blocked after ${span(status.blockedAtBroker)}`],
    ["CRL", `signed after ${span(status.publishedAfter)}`],
    ["devices", `${drawn} ${status.acknowledged}/${status.expected}`],
    ["p50, p95", `${span(p50)}, ${span(p95)}`],
    ["p99, max", `${span(p99)}, ${span(max)}`],
    [
      "via",
      Object.entries(status.via)
        .map(([way, count]) => `${way} ${count}`)
        .join(", ") || "-",
    ],
    ...curveRows(status),
    ...status.laggards.map(({ connectivity, count, devices }): [string, string] => [
      `waiting, ${connectivity}`,
      `${count}: ${devices
        .slice(0, 5)
        .map(
          ({ id, lastSeenAt }) =>
            `${id} (${lastSeenAt === undefined ? "never seen" : fromNow(lastSeenAt, context.now())})`,
        )
        .join(", ")}`,
    ]),
  ]);
}

/** The curve as lines of at most eight instants: how many devices had applied it by then. */
function curveRows({ curve, expected }: PropagationView): [string, string][] {
  const step = Math.max(1, Math.ceil(curve.length / 8));
  const chosen = curve.filter((_, index) => index % step === 0 || index === curve.length - 1);
  return chosen.map(({ after, acknowledged }) => [
    `after ${span(after)}`,
    `${bar(acknowledged, Math.max(expected, acknowledged))} ${acknowledged}`,
  ]);
}

/** Draws again and again: on a terminal over the last drawing, elsewhere one after the other. */
async function watch(
  operations: Operations,
  parts: {
    readonly question: Question;
    readonly drawn: (status: PropagationView) => void;
    readonly context: CliContext;
    readonly command: Command;
  },
): Promise<void> {
  const { question, drawn, context, command } = parts;
  for (;;) {
    const status = await operations.revocations.status(remoteActor, question);
    if (context.isInteractive && formatOf(command) === "table") context.stdout("\u001b[H\u001b[J");
    drawn(status);
    if (status.acknowledged >= status.expected) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
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
