import { FleetError } from "@fleetcert/shared";
import type { CliContext } from "./context.ts";

/** Lets a destructive command go on only with `--yes` or a person's word. Throws `usage`. */
export async function requireConfirmation(
  context: Pick<CliContext, "isInteractive" | "confirm">,
  options: { readonly yes?: boolean },
  question: string,
): Promise<void> {
  if (options.yes === true) return;
  if (!context.isInteractive) {
    throw new FleetError("usage", "this cannot be undone and nobody is here to ask", { hint: "add --yes" });
  }
  if (!(await context.confirm(question))) throw new FleetError("usage", "nothing was done");
}
