import { exitCodes, isFleetError, renderListing } from "@fleetcert/shared";
import type { Command } from "commander";
import { type CliContext, formatOf, QuietExit } from "./context.ts";

/** One thing a doctor looked at. */
export interface Finding {
  readonly check: string;
  readonly isOk: boolean;
  readonly finding: string;
  /** What to do; empty when nothing is wrong. */
  readonly fix: string;
}

/** Looks at one thing; what it throws is what is wrong. */
export async function look(check: string, act: () => Promise<string>): Promise<Finding> {
  try {
    return { check, isOk: true, finding: await act(), fix: "" };
  } catch (error) {
    const finding = error instanceof Error ? error.message : String(error);
    return { check, isOk: false, finding, fix: (isFleetError(error) ? error.hint : undefined) ?? "" };
  }
}

/** Prints what was found; ends the command with exit code 1 when anything is wrong. */
export function showFindings(findings: readonly Finding[], command: Command, context: CliContext): void {
  const rows = findings.map(({ check, isOk, finding, fix }) => [isOk ? "✔" : "✖", check, finding, fix]);
  const heads = ["check", "finding", "fix"];
  context.stdout(
    renderListing(findings, { heads: ["", ...heads], csvHeads: ["ok", ...heads], rows }, formatOf(command)),
  );
  if (findings.some(({ isOk }) => !isOk)) throw new QuietExit(exitCodes.failed);
}
