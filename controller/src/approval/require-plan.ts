import { FleetError } from "@fleetcert/shared";
import type { PlanRecord } from "../approval-records.ts";
import type { Transaction } from "../store-port.ts";

/** The plan of a hash, or of the beginning of one where only one begins so. Throws `not-found`, `request-invalid`. */
export async function requirePlan(tx: Transaction, hash: string): Promise<PlanRecord> {
  const wanted = hash.toLowerCase();
  if (!/^[0-9a-f]{8,64}$/.test(wanted)) {
    throw new FleetError("request-invalid", `"${hash.slice(0, 80)}" is no hash of a plan`, {
      hint: "8 to 64 hex digits; see fleetcert approve list",
    });
  }
  const [found, another] = await tx.plans.listByPrefix(wanted, 2);
  if (found === undefined) {
    throw new FleetError("not-found", `there is no plan ${hash}`, { hint: "fleetcert approve list" });
  }
  if (another !== undefined) {
    throw new FleetError("request-invalid", `several plans begin with ${hash}`, { hint: "give more digits" });
  }
  return found;
}

/** The same for a decision, which names a plan by its whole hash: what is approved is exactly this. */
export async function requireWholeHash(tx: Transaction, hash: string): Promise<PlanRecord> {
  if (!/^[0-9a-fA-F]{64}$/.test(hash)) {
    throw new FleetError("request-invalid", "a decision names the whole hash of the plan, 64 hex digits", {
      hint: "fleetcert approve list shows it",
    });
  }
  return await requirePlan(tx, hash);
}
