import { isAbsolute, resolve } from "node:path";
import { FleetError, type Secret, when } from "@fleetcert/shared";
import type { Command } from "commander";
import { readPassphrase } from "../adapters/files/data-directory.ts";
import { askNewPassphrase } from "./ask-passphrase.ts";
import { type CliContext, formatOf } from "./context.ts";
import type { InitResult } from "./init-controller.ts";

interface InitFlags {
  readonly data?: string;
  readonly fleet: string;
  readonly host?: string[];
  readonly passphraseFile?: string;
  readonly caKey?: string;
  readonly commandKeys?: string;
  readonly rootKey?: string;
}

/** `init`: makes a controller in a data directory. */
export function registerInit(program: Command, context: CliContext): void {
  program
    .command("init")
    .description("make a controller: root and issuing CA, keys, first trust bundle, configuration")
    .option("--fleet <name>", "name of the fleet, in every certificate", "fleet")
    .option("--host <name...>", "names and addresses of this controller, the one devices use first")
    .option("--passphrase-file <file>", "passphrase of the root key, on the first line; else a random one is made")
    .option(
      "--ca-key <place>",
      "where the issuing CA's key lives: pkcs11:token=…?module-path=…&pin-source=…, tpm:device:…",
    )
    .option("--command-keys <place>", "where the keys live that sign what comes from the controller")
    .option("--root-key <place>", "where the root's key lives")
    .action(async (_flags: object, command: Command) => {
      const flags = command.optsWithGlobals<InitFlags>();
      const { data, fleet, host, passphraseFile } = flags;
      const directory = data ?? process.env["FLEETCERT_DATA"];
      if (directory === undefined)
        throw new FleetError("usage", "no data directory was named", { hint: "give --data DIR" });
      const keys = keyPlacesOf(flags);
      const rootPassphrase = keys.root === undefined ? await rootPassphraseOf(context, passphraseFile) : undefined;
      const { initController } = await import("./init-controller.ts");
      const result = await initController({
        data: isAbsolute(directory) ? directory : resolve(directory),
        fleet,
        hosts: host ?? ["localhost", "127.0.0.1"],
        rootPassphrase,
        keys,
      });
      const isJson = formatOf(command) !== "table";
      context.stdout(
        isJson ? `${JSON.stringify({ ...result, next: nextCommands(result) }, undefined, 2)}\n` : report(result),
      );
    });
}

function keyPlacesOf({ caKey, commandKeys, rootKey }: InitFlags) {
  return {
    ...(caKey !== undefined && { issuing: caKey }),
    ...(commandKeys !== undefined && { command: commandKeys }),
    ...(rootKey !== undefined && { root: rootKey }),
  };
}

/** From the file, else from the person at the terminal, else none: then a random one is made. */
async function rootPassphraseOf(context: CliContext, file: string | undefined): Promise<Secret | undefined> {
  if (file !== undefined) return await readPassphrase(file);
  return context.isInteractive ? await askNewPassphrase("passphrase of the root key") : undefined;
}

function report(result: InitResult): string {
  const lines = [
    `A controller for fleet ${result.fleet} was made in ${result.data}.`,
    "",
    `root fingerprint   ${result.rootSha256}`,
    `root CA until      ${when(result.rootNotAfter)}`,
    `issuing CA until   ${when(result.issuingNotAfter)}`,
    `trust bundle until ${when(result.bundleExpires)}, renew it before: fleetcert trust renew --data ${result.data}`,
    "",
    `root key           ${result.rootKey}`,
    `issuing key        ${result.issuingKey}`,
    "",
    ...keepingRoot(result),
    "",
    "Next:",
    ...nextCommands(result).map((command) => `  ${command}`),
  ];
  return `${lines.join("\n")}\n`;
}

function keepingRoot({ rootKeyDirectory, rootPassphraseFile }: InitResult): string[] {
  if (rootKeyDirectory === undefined) return ["Take the root's token away once you are done; serve never needs it."];
  if (rootPassphraseFile === undefined) return [`Move the root key offline: ${rootKeyDirectory}`];
  return [
    `The passphrase of the root key was made at random: ${rootPassphraseFile}`,
    `Move it and ${rootKeyDirectory} offline, to two places; serve never needs them.`,
  ];
}

function nextCommands({ data, rootSha256 }: InitResult): string[] {
  return [
    `fleetcert serve --data ${data}`,
    `fleetcert claim create --data ${data} --uses 10 --valid-for 8h`,
    `fleetcert-agent enrol --controller HOST --root-fingerprint ${rootSha256} --claim-file FILE`,
  ];
}
