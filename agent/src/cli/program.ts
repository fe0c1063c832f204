import {
  errorText,
  exitCodeOf,
  exitCodes,
  outputFormats,
  usageError,
  versionText,
  versionWish,
  wantsJson,
} from "@fleetcert/shared";
import { Command, CommanderError, Option } from "commander";
import { registerBundle } from "./bundle.ts";
import { type CliContext, QuietExit } from "./context.ts";
import { registerCrl } from "./crl.ts";
import { registerDoctor } from "./doctor.ts";
import { registerEnrol } from "./enrol.ts";
import { registerKeys } from "./keys/register-keys.ts";
import { registerRenew } from "./renew.ts";
import { registerRun } from "./run.ts";
import { registerStatus } from "./status.ts";
import { registerTpm } from "./tpm/tpm.ts";

/** Runs `fleetcert-agent` with arguments; resolves with the exit code. stdout carries data, stderr the rest. */
export async function runProgram(args: readonly string[], context: CliContext): Promise<number> {
  const wish = versionWish(args);
  if (wish !== undefined) {
    context.stdout(versionText("fleetcert-agent", process.version, wish));
    return exitCodes.ok;
  }
  const program = buildProgram(context);
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help that was asked for, or that stands in for a command nobody named, is no error of its own.
      if (error.exitCode === 0) return exitCodes.ok;
      if (error.code === "commander.help") return exitCodes.usage;
      context.stderr(errorText(usageError(error), { json: wantsJson(args), verbose: false }));
      return exitCodes.usage;
    }
    if (error instanceof QuietExit) return error.code;
    const { verbose } = program.opts<{ verbose?: boolean }>();
    const isJson = wantsJson(args);
    context.stderr(errorText(error, { json: isJson, verbose: verbose === true }));
    return exitCodeOf(error);
  }
}

/** The program with all its commands; {@link runProgram} runs it. */
export function buildProgram(context: CliContext): Command {
  const program = addGlobalOptions(new Command("fleetcert-agent"))
    .description("the certificate of this device: enrolled, rotated on time, aware of what is revoked")
    .exitOverride()
    .configureOutput(outputOf(context))
    .option("--version", "show the version of this program and of Node")
    .showSuggestionAfterError();
  registerEnrol(program, context);
  registerRun(program, context);
  registerStatus(program, context);
  registerRenew(program, context);
  registerBundle(program, context);
  registerCrl(program, context);
  registerKeys(program, context);
  registerTpm(program, context);
  registerDoctor(program, context);
  for (const command of [...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    command.exitOverride().configureOutput(outputOf(context));
  }
  return program;
}

/** The options every command takes. */
function addGlobalOptions(program: Command): Command {
  return program
    .option("--data <dir>", "data directory of the agent (FLEETCERT_AGENT_DATA)")
    .addOption(new Option("-o, --output <format>", "form of the output").choices([...outputFormats]).default("table"))
    .option("--json", "the same as -o json")
    .option("-v, --verbose", "show the trace of an error");
}

/** Commander's own wording of an error is not printed; {@link runProgram} tells it as every other. */
function outputOf({ stdout, stderr }: CliContext) {
  return { writeOut: stdout, writeErr: stderr, outputError: () => undefined };
}
