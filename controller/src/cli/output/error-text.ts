import { type ErrorCode, errorCatalogue, errorRemedies, exitCodes, FleetError } from "@fleetcert/shared";
import { printable } from "./printable.ts";

/** An error for a person or, in JSON, for a program: what, why, what to do now, code. */
export function errorText(error: unknown, options: { readonly json: boolean; readonly verbose: boolean }): string {
  const known = toFleetError(error);
  const { title } = errorCatalogue[known.code];
  const hint = known.hint ?? errorRemedies[known.code];
  if (options.json) {
    return `${JSON.stringify({ error: { code: known.code, title, message: known.message, hint, retryable: known.retry } })}\n`;
  }
  const lines = [`✖ ${title}`, `  why   ${printable(known.message)}`];
  lines.push(`  fix   ${hint.split("\n").map(printable).join("\n        ")}`);
  lines.push(`  code  ${known.code} · fleetcert explain ${known.code}`);
  if (options.verbose && error instanceof Error) lines.push(`  trace ${error.stack ?? ""}`);
  return `${lines.join("\n")}\n`;
}

/** The exit code of an error. */
export function exitCodeOf(error: unknown): number {
  return error instanceof FleetError ? errorCatalogue[error.code].exit : exitCodes.failed;
}

function toFleetError(error: unknown): FleetError & { readonly code: ErrorCode } {
  if (error instanceof FleetError) return error;
  return new FleetError("internal", error instanceof Error ? error.message : String(error), {
    hint: "run it again with -v and report what it prints",
  });
}
