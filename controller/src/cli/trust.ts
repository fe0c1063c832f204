import { fromNow, when } from "@fleetcert/shared";
import type { Command } from "commander";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, formatOf, printOne } from "./context.ts";
import { short } from "./output/human.ts";
import { renderList } from "./output/render.ts";

/** `trust show`. */
export function registerTrustShow(trust: Command, context: CliContext): void {
  trust
    .command("show")
    .description("the trust bundle in force: roots, issuers, command keys")
    .action(async (_options: object, command: Command) => {
      const shown = await (await connect(context, command)).trust.show(remoteActor);
      printOne(context, command, shown, [
        ["fleet", shown.fleet],
        ["bundle", `${shown.era}.${shown.version}`],
        ["expires", `${when(shown.expires)} (${fromNow(shown.expires, context.now())})`],
      ]);
      if (formatOf(command) !== "table") return;
      const rows = [
        ...shown.roots.map((one) => ({ kind: "root", id: one.sha256, what: one.subject, notAfter: one.notAfter })),
        ...shown.issuers.map((one) => ({ kind: "issuer", id: one.id, what: one.subject, notAfter: one.notAfter })),
        ...shown.rootLists.map((one) => ({
          kind: "root list",
          id: one.id,
          what: `number ${one.number}`,
          notAfter: one.notAfter,
        })),
        ...shown.commandKeys.map((one) => ({
          kind: "command key",
          id: one.keyId,
          what: `${one.use}, from ${when(one.notBefore)}`,
          notAfter: one.notAfter,
        })),
      ];
      const table = renderList(
        rows,
        [
          { head: "kind", text: ({ kind }) => kind },
          { head: "id", text: ({ id }) => (id === "" ? "" : short(id)) },
          { head: "what", text: ({ what }) => what },
          { head: "expires", text: ({ notAfter }) => when(notAfter) },
        ],
        "table",
      );
      context.stdout(`\n${table}`);
    });
}
