import { when } from "@fleetcert/shared";
import type { PlanView } from "../../access/governed.ts";
import type { Column } from "./render.ts";

/** One plan for a person. */
export function planRows(plan: PlanView): [string, string][] {
  return [
    ["plan", plan.hash],
    ["kind", plan.kind],
    ["state", plan.remark === "" ? plan.state : `${plan.state}: ${plan.remark}`],
    ["request", JSON.stringify(plan.request)],
    ["counts as", `${plan.weight} of ${plan.budget}`],
    ["items", itemsText(plan.items)],
    ["impact", JSON.stringify(plan.impact)],
    ["asked for", `${plan.requestedBy} (${plan.requester}), ${when(plan.requestedAt)}`],
    ["decided", plan.decidedBy === "" ? "-" : `${plan.decidedBy}, ${when(plan.decidedAt)}`],
    ["expires", plan.state === "open" || plan.state === "granted" ? when(plan.expiresAt) : "-"],
    ["done", `${plan.done}/${plan.items.length}${plan.rate === 0 ? "" : ` at ${plan.rate} a minute`}`],
    ["epochs", plan.epochs.join(", ") || "-"],
  ];
}

/** The columns of a listing of plans. */
export const planColumns: readonly Column<PlanView>[] = [
  { head: "plan", text: ({ hash }) => hash },
  { head: "kind", text: ({ kind }) => kind },
  { head: "state", text: ({ state }) => state },
  { head: "weight", text: ({ weight }) => String(weight) },
  { head: "done", text: ({ done, items }) => `${done}/${items.length}` },
  { head: "asked by", text: ({ requestedBy }) => requestedBy },
  { head: "decided by", text: ({ decidedBy }) => decidedBy || "-" },
  { head: "asked", text: ({ requestedAt }) => when(requestedAt) },
  {
    head: "expires",
    text: ({ state, expiresAt }) => (state === "open" || state === "granted" ? when(expiresAt) : "-"),
  },
];

function itemsText(items: readonly string[]): string {
  const first = items.slice(0, 20).join(", ");
  return items.length > 20 ? `${first} and ${items.length - 20} more` : first || "-";
}
