import { appendAudit } from "../audit/append-audit.ts";
import type { Transaction } from "../store-port.ts";
import { reenrolmentSetting } from "./inventory.ts";

/** A permission of before does not outlive a suspension (I7): whoever re-approves the device decides anew. */
export async function withdrawReenrolment(tx: Transaction, device: string, now: number): Promise<void> {
  const id = await tx.settings.find(reenrolmentSetting(device));
  const claim = id === undefined ? undefined : await tx.claims.find(id);
  if (claim === undefined || claim.revokedAt !== undefined || claim.uses >= claim.maxUses) return;
  await tx.claims.put({ ...claim, revokedAt: now });
  await appendAudit(tx, {
    ...{ at: now, actor: "controller", action: "claim.revoked", target: claim.id, outcome: "success" },
    details: { uses: "0", why: "the device it is for is blocked" },
  });
}
