import { resolve } from "node:path";
import { FleetError } from "@fleetcert/shared";
import { type Command, Option } from "commander";
import type { Failpoint } from "../ports.ts";
import { type CliContext, formatOf } from "./context.ts";

/** `serve`: runs the controller until SIGTERM or SIGINT. */
export function registerServe(program: Command, context: CliContext, failpoint: Failpoint): void {
  program
    .command("serve")
    .description("run the controller of a data directory until it is told to stop")
    .addOption(
      new Option("--log-level <level>", "trace, debug, info, warn, error or silent")
        .env("FLEETCERT_LOG")
        .default("info"),
    )
    .action(async (_flags: object, command: Command) => {
      const { data, logLevel } = command.optsWithGlobals<{ data?: string; logLevel: string }>();
      const directory = data ?? process.env["FLEETCERT_DATA"];
      if (directory === undefined)
        throw new FleetError("usage", "no data directory was named", { hint: "give --data DIR" });
      if (!logLevels.includes(logLevel)) {
        throw new FleetError("usage", `"${logLevel}" is no log level`, { hint: `one of ${logLevels.join(", ")}` });
      }
      const stopped = untilStopped();
      // Loaded here, so that every other command starts in half the time.
      const { startController } = await import("./serving/start-controller.ts");
      const controller = await startController({ data: resolve(directory), logLevel, failpoint });
      const { endpoints, fleet, rootSha256 } = controller;
      const isJson = formatOf(command) !== "table";
      context.stdout(
        isJson
          ? `${JSON.stringify({ fleet, rootSha256, endpoints })}\n`
          : `fleet ${fleet} is served: devices on ${endpoints.operational.port}, enrolment on ${endpoints.bootstrap.port}, ` +
              `people on ${endpoints.api.port}, CRLs and health on ${endpoints.http.port}\n`,
      );
      await stopped;
      await controller.stop();
    });
}

/** The first signal asks for an orderly stop; a second one ends the process at once. */
function untilStopped(): Promise<void> {
  return new Promise((done) => {
    const onSignal = (): void => {
      process.on("SIGINT", () => process.exit(130));
      done();
    };
    process.once("SIGTERM", onSignal);
    process.once("SIGINT", onSignal);
  });
}

const logLevels = ["trace", "debug", "info", "warn", "error", "silent"];
