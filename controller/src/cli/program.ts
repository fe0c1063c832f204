import { errorText, exitCodeOf, exitCodes, usageError, versionText, versionWish, wantsJson } from "@fleetcert/shared";
import { Command, CommanderError } from "commander";
import { registerApprove, registerBound } from "./approve.ts";
import { registerAudit } from "./audit.ts";
import { registerCertificate } from "./certificate.ts";
import { registerClaim } from "./claim.ts";
import { addGlobalOptions, type CliContext } from "./context.ts";
import { registerCourier } from "./courier.ts";
import { registerCrl } from "./crl.ts";
import { registerDevice } from "./device.ts";
import { registerExplain } from "./explain.ts";
import { registerFleet } from "./fleet.ts";
import { registerOperator } from "./operator.ts";
import { registerRevoke } from "./revoke.ts";
import { registerRotate } from "./rotate.ts";
import { registerTrustShow } from "./trust.ts";

/** Commands that run on the controller's own files rather than through its API. */
export type RegisterLocal = (program: Command, context: CliContext, groups: { readonly trust: Command }) => void;

/** Runs `fleetcert` with arguments; resolves with the exit code. stdout carries data, stderr the rest. */
export async function runProgram(
  args: readonly string[],
  context: CliContext,
  registerLocal: readonly RegisterLocal[] = [],
): Promise<number> {
  const wish = versionWish(args);
  if (wish !== undefined) {
    context.stdout(versionText("fleetcert", process.version, wish));
    return exitCodes.ok;
  }
  const program = buildProgram(context, registerLocal);
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help that was asked for, or that stands in for a command nobody named, is no error of its own.
      if (error.exitCode === 0) return exitCodes.ok;
      if (error.code === "commander.help") return exitCodes.usage;
      context.stderr(errorText(usageError(error), { json: wantsJson(args), verbose: false, explainedBy }));
      return exitCodes.usage;
    }
    const { verbose } = program.opts<{ verbose?: boolean }>();
    const json = wantsJson(args);
    context.stderr(errorText(error, { json, verbose: verbose === true, explainedBy }));
    return exitCodeOf(error);
  }
}

/** The program with all its commands; {@link runProgram} runs it. */
export function buildProgram(context: CliContext, registerLocal: readonly RegisterLocal[]): Command {
  const program = addGlobalOptions(new Command("fleetcert"))
    .description("certificates for a fleet of devices: claims, ages, rotation, revocation, audit")
    .exitOverride()
    .configureOutput(outputOf(context))
    .option("--version", "show the version of this program and of Node")
    .showSuggestionAfterError();
  const trust = program.command("trust").description("the signed list of CAs and command keys");
  registerTrustShow(trust, context);
  for (const register of registerLocal) register(program, context, { trust });
  registerClaim(program, context);
  registerDevice(program, context);
  registerRotate(program, context);
  registerCertificate(program, context);
  registerFleet(program, context);
  registerRevoke(program, context);
  registerApprove(program, context);
  registerBound(program, context);
  registerCourier(program, context);
  registerCrl(program, context);
  registerAudit(program, context);
  registerOperator(program, context);
  registerExplain(program, context);
  for (const command of everyCommand(program)) command.exitOverride().configureOutput(outputOf(context));
  return program;
}

function everyCommand(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...everyCommand(child)]);
}

/** Commander's own wording of an error is not printed; {@link runProgram} tells it as every other. */
function outputOf({ stdout, stderr }: CliContext) {
  return { writeOut: stdout, writeErr: stderr, outputError: () => undefined };
}

const explainedBy = "fleetcert explain";
