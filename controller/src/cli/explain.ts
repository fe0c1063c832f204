import { type ErrorCode, errorCatalogue, errorRemedies, FleetError } from "@fleetcert/shared";
import type { Command } from "commander";
import { type CliContext, printList, printOne } from "./context.ts";

/** `explain [code]`: the error catalogue for people. */
export function registerExplain(program: Command, context: CliContext): void {
  program
    .command("explain")
    .description("what an error code means; all of them when none is named")
    .argument("[code]")
    .action((code: string | undefined, _options: object, command: Command) => {
      const all = Object.entries(errorCatalogue).map(([name, entry]) => {
        const code = name as ErrorCode;
        return { code, ...entry, fix: errorRemedies[code] };
      });
      if (code === undefined) {
        printList(context, command, all, [
          { head: "code", text: (one) => one.code },
          { head: "exit", text: ({ exit }) => String(exit) },
          { head: "http", text: ({ http }) => String(http) },
          { head: "meaning", text: ({ title }) => title },
        ]);
        return;
      }
      const found = all.find((one) => one.code === code);
      if (found === undefined)
        throw new FleetError("not-found", `there is no error code ${code}`, { hint: "fleetcert explain" });
      printOne(context, command, found, [
        ["code", found.code],
        ["meaning", found.title],
        ["fix", found.fix],
        ["exit code", String(found.exit)],
        ["HTTP status", String(found.http)],
      ]);
    });
}
