import { parseDuration, when } from "@fleetcert/shared";
import type { Command } from "commander";
import type { ApiKeyView } from "../access/operations.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { allPages, type CliContext, connect, formatOf, printList, printOne } from "./context.ts";

/** `operator key create|list|revoke`. */
export function registerOperatorKey(operator: Command, context: CliContext): void {
  const key = operator.command("key").description("keys of the API for programs; each stands for an operator");
  key
    .command("create")
    .description("make a key with an operator's role and person; it is shown this one time")
    .argument("<operator>")
    .option("--valid <duration>", "how long", "90d")
    .action(async (name: string, options: { valid: string }, command: Command) => {
      const operations = await connect(context, command);
      const request = { operator: name, validFor: parseDuration(options.valid) };
      const { key, text } = await operations.operators.createKey(remoteActor, request);
      printOne(context, command, { ...key, text }, [...rowsOf(key), ["key text", text]]);
      if (formatOf(command) === "table") {
        context.stderr("keep it in a file that only its user can read; it is not shown again\n");
        context.stderr("next: fleetcert --url https://HOST:PORT --root ROOT.pem --api-key FILE device list\n");
      }
    });
  key
    .command("list")
    .description("list keys, ended ones too")
    .action(async (_options: object, command: Command) => {
      const operations = await connect(context, command);
      const items = await allPages((page) => operations.operators.listKeys(remoteActor, page), 10_000);
      printList(context, command, items, [
        { head: "key", text: ({ id }: ApiKeyView) => id },
        { head: "operator", text: ({ operator: name }) => name },
        { head: "made by", text: ({ createdBy }) => createdBy },
        { head: "expires", text: ({ expiresAt }) => when(expiresAt) },
        { head: "ended", text: ({ revokedAt }) => when(revokedAt) },
      ]);
    });
  key
    .command("revoke")
    .description("end a key at once")
    .argument("<id>")
    .action(async (id: string, _options: object, command: Command) => {
      const ended = await (await connect(context, command)).operators.revokeKey(remoteActor, id);
      printOne(context, command, ended, rowsOf(ended));
    });
}

function rowsOf(key: ApiKeyView): [string, string][] {
  return [
    ["key", key.id],
    ["operator", key.operator],
    ["expires", when(key.expiresAt)],
    ["ended", when(key.revokedAt)],
  ];
}
