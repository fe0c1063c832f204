import { sha256Hex } from "@fleetcert/shared";
import type { Draft } from "./approval.ts";
import { canonicalJson } from "./canonical-json.ts";

/** What makes a plan this plan and no other. */
export interface PlanContent {
  readonly kind: string;
  readonly requester: string;
  readonly rate: number;
  readonly draft: Pick<Draft, "request" | "budget" | "weight" | "items" | "facts">;
}

/**
 * SHA-256 over the canonical text of who asks for what, on which items, and the facts of the world it relies on. Asked again
 * in the same world, the same person gets the same; see docs/decisions/0023.
 */
export function planCore({ kind, requester, rate, draft }: PlanContent): string {
  const { request, budget, weight, items, facts } = draft;
  const text = canonicalJson({ kind, requester, rate, request, budget, weight, items, facts });
  return sha256Hex(Buffer.from(`fleetcert-plan-1\n${text}`));
}

/** The hash a second person approves: the core, and how often it was asked for and ended before, so that none is used twice. */
export function planHash(core: string, round: number): string {
  return sha256Hex(Buffer.from(`fleetcert-plan-1\n${canonicalJson({ core, round })}`));
}
