import { resolve } from "node:path";
import { FleetError, isFleetError, when } from "@fleetcert/shared";
import type { Command } from "commander";
import { readPassphrase } from "../adapters/files/data-directory.ts";
import { remoteActor } from "../adapters/http/api-client.ts";
import { type CliContext, connect, printOne } from "./context.ts";
import type { RunningTrust } from "./renew-trust.ts";

interface RenewFlags {
  readonly data?: string;
  readonly passphraseFile?: string;
  readonly rootKeyDir?: string;
  readonly newEra?: boolean;
}

/** `trust renew`: needs the root key; everything else of the controller goes on without it. */
export function registerTrustRenew(trust: Command, context: CliContext): void {
  trust
    .command("renew")
    .description("make the next trust bundle with the root key: new command keys, 400 days more")
    .option("--passphrase-file <file>", "passphrase of the root key, on the first line")
    .option("--root-key-dir <dir>", "where the root key lies, when it was moved")
    .option("--new-era", "begin again: after a wrong clock, a restored backup or a stolen command key")
    .action(async (_flags: object, command: Command) => {
      const { data, passphraseFile, rootKeyDir, newEra } = command.optsWithGlobals<RenewFlags>();
      const directory = data ?? process.env["FLEETCERT_DATA"];
      if (directory === undefined)
        throw new FleetError("usage", "no data directory was named", { hint: "give --data DIR" });
      const { renewTrust } = await import("./renew-trust.ts");
      const { bundle } = await renewTrust({
        data: resolve(directory),
        ...(rootKeyDir !== undefined && { rootKeyDirectory: rootKeyDir }),
        rootPassphrase: passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile),
        isNewEra: newEra === true,
        controller: await runningController(context, command),
      });
      const { era, version, expires, commandKeys } = bundle;
      printOne(context, command, { era, version, expires, commandKeys: commandKeys.length }, [
        ["bundle", `${era}.${version}`],
        ["expires", when(expires)],
        ["command keys", String(commandKeys.length)],
      ]);
    });
}

/** A running controller takes the bundle at once; without one it is found at the next start. */
export async function runningController(context: CliContext, command: Command): Promise<RunningTrust | undefined> {
  try {
    const operations = await connect(context, command);
    await operations.trust.show(remoteActor);
    return {
      intend: (intent) => operations.trust.intend(remoteActor, intent),
      publish: (envelope) => operations.trust.publish(remoteActor, envelope),
    };
  } catch (error) {
    if (isFleetError(error, "offline")) return undefined;
    throw error;
  }
}
