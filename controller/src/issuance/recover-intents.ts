import type { Instant } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { IntentRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { IssuanceContext } from "./issuance.ts";

/**
 * Closes every open intent as aborted, in one transaction each; none is ever signed again (I2). A certificate's serial
 * is burnt: it may have been signed, so it is published as revoked until its intended notAfter.
 */
export async function recoverIntents(context: Pick<IssuanceContext, "store" | "surroundings">): Promise<number> {
  const { store, surroundings } = context;
  const open = await store.transaction((tx) => tx.intents.listOpen());
  for (const intent of open) {
    await store.transaction(async (tx) => {
      const now = surroundings.clock.now();
      await tx.intents.put({ ...intent, state: "aborted" });
      if (intent.kind === "certificate") {
        await burnSerial(tx, { intent, now });
        await giveBackClaim(tx, intent);
      }
      const { tbsSha256, issuer, serial, device } = intent;
      await appendAudit(tx, {
        at: now,
        actor: "controller",
        action: intent.kind === "certificate" ? "certificate.aborted" : "crl.aborted",
        target: device === "" ? issuer : device,
        outcome: "failure",
        details: { tbsSha256, issuer, serial, why: "found open at start" },
      });
    });
  }
  return open.length;
}

/** Publishes the serial of an aborted intent as revoked, from the next epoch on. */
export async function burnSerial(
  tx: Transaction,
  { intent, now }: { readonly intent: IntentRecord; readonly now: Instant },
): Promise<void> {
  const { issuer, serial, shard, index, notAfter } = intent;
  if (serial === "" || (await tx.revocations.find(issuer, serial)) !== undefined) return;
  await tx.revocations.put({ issuer, serial, shard, index, notAfter, reason: "unspecified", revokedAt: now, epoch: 0 });
}

/** Gives the reserved use of a claim back; the certificate it was for was never handed out. */
export async function giveBackClaim(tx: Transaction, { claimId }: IntentRecord): Promise<void> {
  const claim = claimId === "" ? undefined : await tx.claims.find(claimId);
  if (claim !== undefined) await tx.claims.put({ ...claim, uses: Math.max(0, claim.uses - 1) });
}
