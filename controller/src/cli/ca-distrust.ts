import { FleetError } from "@fleetcert/shared";
import type { Command } from "commander";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, printOne } from "./context.ts";
import { short } from "./output/human.ts";
import { publishChange } from "./publish-change.ts";
import { requireConfirmation } from "./require-confirmation.ts";

/** `ca distrust`: the issuing CA's key is somebody else's; docs/runbooks/stolen-issuing-key.md. */
export function registerDistrust(ca: Command, context: CliContext): void {
  ca.command("distrust")
    .description("with the root key: revoke an issuing CA that issues no more; every certificate of it ends at once")
    .argument("<issuer>", "SPKI SHA-256, hex")
    .option("--passphrase-file <file>", "passphrase of the key of the root that certified it, on the first line")
    .option("--root-key-dir <dir>", "where that key lies, when it was moved")
    .option("--yes", "do not ask")
    .action(async (issuer: string, options: { yes?: boolean }, command: Command) => {
      const operations = await connect(context, command);
      const { issuing, rollover } = await operations.rollover.status(remoteActor);
      if (issuing === issuer) {
        throw new FleetError("conflict", "the issuing CA still issues: nobody could get another certificate", {
          hint: "first: fleetcert ca rollover start --always 0 --daily 0 --rare 0 --soak 1s",
        });
      }
      const question = `Distrust ${short(issuer)}? Devices that still have its certificate are locked out.`;
      await requireConfirmation(context, options, question);
      const { bundle } = await publishChange(context, command, { retiredIssuer: issuer, isDistrusted: true });
      const { era, version } = bundle;
      const isEnd = rollover?.from === issuer && rollover.state === "retiring" && rollover.fromRoot === rollover.toRoot;
      if (isEnd) await operations.rollover.finish(remoteActor);
      printOne(context, command, { distrusted: issuer, era, version }, [
        ["distrusted", issuer],
        ["bundle", `${era}.${version}`],
      ]);
    });
}
