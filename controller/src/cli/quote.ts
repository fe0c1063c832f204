import {
  type Duration,
  FleetError,
  fromNow,
  type Instant,
  parseDuration,
  parsePcrSelections,
  when,
} from "@fleetcert/shared";
import type { Command } from "commander";
import type { Operations, QuoteView } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, printOne } from "./context.ts";

/** `device quote`: what the device's TPM says of the software that was started on it. */
export function registerQuote(device: Command, context: CliContext): void {
  device
    .command("quote")
    .description("ask an attested device's TPM for its PCRs, and wait for the answer")
    .argument("<id>")
    .option("--pcrs <selection>", "which, such as sha256:0,7+sha384:0", "sha256:0,1,2,3,4,5,6,7")
    .option("--wait <duration>", "how long; the question stands until the device comes", "30s")
    .action(async (id: string, options: { readonly pcrs: string; readonly wait: string }, command: Command) => {
      parsePcrSelections(options.pcrs);
      const operations = await connect(context, command);
      const asked = await operations.devices.quote(remoteActor, id, options.pcrs);
      const patience = parseDuration(options.wait);
      const quote = await untilAnswered(operations, { id, asked, patience });
      printOne(context, command, { device: id, ...quote }, [["device", id], ...quoteRows(quote, context.now())]);
      if (quote.outcome === "refused")
        throw new FleetError("attestation-invalid", `the quote of ${id} does not hold (${quote.reason})`, {
          hint: "do not trust what runs on it; see docs/attestation.md",
        });
      if (quote.outcome === "waiting")
        throw new FleetError("timeout", `${id} has not answered yet`, {
          hint: `it is asked again when it comes: fleetcert device show ${id}`,
        });
    });
}

/** A quote as a person is shown it. */
export function quoteRows(quote: QuoteView, now: Instant): [string, string][] {
  const { pcrs, askedAt, askedBy, answeredAt, outcome, reason, values, resetCount, restartCount } = quote;
  const asked: [string, string] = ["quote", `${pcrs}, asked ${fromNow(askedAt, now)} by ${askedBy}`];
  if (outcome === "waiting") return [asked, ["quote answer", "none yet"]];
  if (outcome === "refused") return [asked, ["quote answer", `REFUSED ${when(answeredAt)}: ${reason}`]];
  return [
    asked,
    ["quote answer", `verified ${when(answeredAt)}; the TPM was reset ${resetCount} times, resumed ${restartCount}`],
    ...Object.entries(values).map(([pcr, value]): [string, string] => [`pcr ${pcr}`, value]),
  ];
}

async function untilAnswered(
  operations: Operations,
  { id, asked, patience }: { readonly id: string; readonly asked: QuoteView; readonly patience: Duration },
): Promise<QuoteView> {
  let quote = asked;
  for (let left = Math.ceil(patience / pollMs); left > 0 && quote.outcome === "waiting"; left--) {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    const { quote: seen } = await operations.devices.show(remoteActor, id);
    // Somebody else may have asked meanwhile; theirs is not the answer to this.
    if (seen?.askedAt === asked.askedAt) quote = seen;
  }
  return quote;
}

const pollMs = 250;
