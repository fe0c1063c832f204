import { fromNow, parseDuration, when } from "@fleetcert/shared";
import type { Command } from "commander";
import { remoteActor } from "../adapters/http/api-client.ts";
import { writeClaim } from "./claim.ts";
import { type CliContext, connect, formatOf, printOne } from "./context.ts";

/** `device reenrol`: a person's permission for one known device to enrol anew. */
export function registerReenrol(device: Command, context: CliContext): void {
  device
    .command("reenrol")
    .description(
      "permit one known device to enrol anew, once: its key is lost, or its certificate revoked or long expired",
    )
    .argument("<id>")
    .option("--valid-for <duration>", "how long the permission can be used, such as 24h", "24h")
    .option("--out <file>", "write the claim string into a file only its owner can read")
    .action(async (id: string, options: { validFor: string; out?: string }, command: Command) => {
      const { devices } = await connect(context, command);
      const made = await devices.reenrol(remoteActor, id, parseDuration(options.validFor));
      const { claim, claimString, generation } = made;
      if (options.out !== undefined) await writeClaim(options.out, claimString);
      const shown = options.out === undefined ? made : { claim, generation, file: options.out };
      printOne(context, command, shown, [
        ["device", id],
        ["generation", `begins again with ${generation}`],
        ["claim", claim.id],
        ["expires", `${when(claim.expiresAt)} (${fromNow(claim.expiresAt, context.now())})`],
        ["string", options.out === undefined ? claimString : `in ${options.out}`],
      ]);
      if (formatOf(command) === "table") {
        const file = options.out ?? "CLAIM-FILE";
        context.stderr(`next, on the device: fleetcert-agent enrol --controller HOST --claim-file ${file}\n`);
      }
    });
}
