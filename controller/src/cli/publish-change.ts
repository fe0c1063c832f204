import { resolve } from "node:path";
import { FleetError } from "@fleetcert/shared";
import type { Command } from "commander";
import { readPassphrase } from "../adapters/files/data-directory.ts";
import type { CliContext } from "./context.ts";
import type { RenewedTrust, TrustChange } from "./renew-trust.ts";
import { runningController } from "./trust-renew.ts";

/** Makes and publishes a bundle with the root key; the controller has to run, for devices have to take it. Throws `offline`. */
export async function publishChange(context: CliContext, command: Command, change: TrustChange): Promise<RenewedTrust> {
  const { data, passphraseFile, rootKeyDir } = command.optsWithGlobals<RootFlags>();
  const directory = data ?? process.env["FLEETCERT_DATA"];
  if (directory === undefined)
    throw new FleetError("usage", "no data directory was named", { hint: "give --data DIR" });
  const controller = await runningController(context, command);
  if (controller === undefined) {
    throw new FleetError("offline", "the controller does not run: nobody would take the bundle", {
      hint: "fleetcert serve --data DIR",
    });
  }
  const { renewTrust } = await import("./renew-trust.ts");
  return await renewTrust({
    data: resolve(directory),
    ...(rootKeyDir !== undefined && { rootKeyDirectory: rootKeyDir }),
    rootPassphrase: passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile),
    controller,
    ...change,
  });
}

interface RootFlags {
  readonly data?: string;
  readonly passphraseFile?: string;
  readonly rootKeyDir?: string;
}
