import { errorRemedies } from "../error-remedies.ts";
import { errorCatalogue, exitCodes, FleetError } from "../errors.ts";
import { printable } from "./printable.ts";

/** How an error is told. */
export interface ErrorForm {
  readonly json: boolean;
  /** With where it came from. */
  readonly verbose: boolean;
  /** A command that says more of a code, named behind it. */
  readonly explainedBy?: string;
}

/** An error for a person or, in JSON, for a program: what, why, what to do now, code. */
export function errorText(error: unknown, { json, verbose, explainedBy }: ErrorForm): string {
  const { code, message, hint = errorRemedies[toFleetError(error).code], retry } = toFleetError(error);
  const { title } = errorCatalogue[code];
  if (json) return `${JSON.stringify({ error: { code, title, message, hint, retryable: retry } })}\n`;
  const lines = [`✖ ${title}`, `  why   ${printable(message)}`];
  lines.push(`  fix   ${hint.split("\n").map(printable).join("\n        ")}`);
  lines.push(`  code  ${code}${explainedBy === undefined ? "" : ` · ${explainedBy} ${code}`}`);
  if (verbose && error instanceof Error) lines.push(`  trace ${traceOf(error)}`);
  return `${lines.join("\n")}\n`;
}

/** The exit code of an error. */
export function exitCodeOf(error: unknown): number {
  return error instanceof FleetError ? errorCatalogue[error.code].exit : exitCodes.failed;
}

function toFleetError(error: unknown): FleetError {
  if (error instanceof FleetError) return error;
  return new FleetError("internal", error instanceof Error ? error.message : String(error), {
    hint: "run it again with -v and report what it prints",
  });
}

function traceOf(error: Error): string {
  return error.cause instanceof Error ? `${error.stack}\n  cause ${traceOf(error.cause)}` : `${error.stack}`;
}
