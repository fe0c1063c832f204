import { fromNow, pemEncode, when } from "@fleetcert/shared";
import type { Command } from "commander";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, formatOf, printList, printOne } from "./context.ts";
import { short } from "./output/human.ts";
import { wholeNumber } from "./whole-number.ts";

/** `crl show|diff`. */
export function registerCrl(program: Command, context: CliContext): void {
  const crl = program.command("crl").description("the revocation lists in force");

  crl
    .command("show")
    .description("list the CRLs, or show one shard's as PEM")
    .argument("[issuer]", "issuer id or its beginning")
    .argument("[shard]", "shard", wholeNumber(0, 65_535))
    .action(async (issuer: string | undefined, shard: number | undefined, _options: object, command: Command) => {
      const operations = await connect(context, command);
      const all = (await operations.crls.list(remoteActor)).filter((one) => one.issuer.startsWith(issuer ?? ""));
      const [only] = all;
      if (issuer === undefined || shard === undefined || only === undefined) {
        printList(context, command, all, [
          { head: "issuer", text: (one) => short(one.issuer) },
          { head: "shard", text: (one) => String(one.shard) },
          { head: "epoch", text: (one) => String(one.epoch) },
          { head: "entries", text: ({ entryCount }) => String(entryCount) },
          { head: "bytes", text: ({ bytes }) => String(bytes) },
          { head: "this update", text: ({ thisUpdate }) => when(thisUpdate) },
          {
            head: "next update",
            text: ({ nextUpdate }) => `${when(nextUpdate)} (${fromNow(nextUpdate, context.now())})`,
          },
        ]);
        return;
      }
      const { der, ...shown } = await operations.crls.show(remoteActor, only.issuer, shard);
      const pem = pemEncode("X509 CRL", der);
      if (formatOf(command) === "table") context.stdout(pem);
      else printOne(context, command, { ...shown, pem }, [["sha256", shown.sha256]]);
    });

  crl
    .command("diff")
    .description("serials that stand in one epoch and not in another")
    .argument("<from>", "epoch", wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .argument("<to>", "epoch", wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .action(async (from: number, to: number, _options: object, command: Command) => {
      const { added, removed } = await (await connect(context, command)).crls.diff(remoteActor, from, to);
      const rows = [
        ...added.map((serial) => ({ change: "+", serial })),
        ...removed.map((serial) => ({ change: "-", serial })),
      ];
      printList(context, command, rows, [
        { head: "change", text: ({ change }) => change },
        { head: "serial", text: ({ serial }) => serial },
      ]);
    });
}
