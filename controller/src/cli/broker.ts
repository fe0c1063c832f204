import { resolve } from "node:path";
import { FleetError } from "@fleetcert/shared";
import type { Command } from "commander";
import { type CliContext, printOne } from "./context.ts";

interface ConfigFlags {
  readonly data?: string;
  readonly persistence: string;
}

/** `broker config`: what an external broker is started with, made on the controller's own files. */
export function registerBroker(program: Command, context: CliContext): void {
  program
    .command("broker")
    .description("the external broker that devices connect to")
    .command("config")
    .description(
      "write the configuration, ACLs, certificate and lists that Mosquitto is started with; serve keeps them after that",
    )
    .option("--persistence <dir>", "where Mosquitto keeps retained messages", "/var/lib/mosquitto")
    .action(async (_flags: object, command: Command) => {
      const { data, persistence } = command.optsWithGlobals<ConfigFlags>();
      const directory = data ?? process.env["FLEETCERT_DATA"];
      if (directory === undefined)
        throw new FleetError("usage", "no data directory was named", { hint: "give --data DIR" });
      const { prepareBroker } = await import("./prepare-broker.ts");
      const made = await prepareBroker({ data: resolve(directory), persistence: resolve(persistence) });
      printOne(context, command, made, [
        ["directory", made.directory],
        ["files", made.files.length.toString()],
        ["start it", `mosquitto -c ${made.configuration}`],
        ["then", `fleetcert serve --data ${resolve(directory)}`],
      ]);
    });
}
