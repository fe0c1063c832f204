import { errorCatalogue, type FleetError, isFleetError, sha256Hex } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { IntakeContext } from "./intake.ts";

/** What a peer presents at CONNECT. */
interface Peer {
  readonly clientId: string;
  /** DER, the peer's own first; its key is proven by TLS, its path is not. */
  readonly chain: readonly Uint8Array[];
}

/**
 * Judges a CONNECT and audits a refusal (I8): under the device when the certificate is one of ours, as its key was proven;
 * all others share one budget, so that strangers cannot fill the chain. Rethrows the refusal; a store that fails is a notice.
 */
export async function auditRefusal<Judgement>(
  context: IntakeContext,
  peer: Peer,
  judge: () => Promise<Judgement>,
): Promise<Judgement> {
  try {
    return await judge();
  } catch (error) {
    // A fault of ours, or that too many came at once, is no attempt of theirs.
    const isTheirs = isFleetError(error) && !error.retry && errorCatalogue[error.code].http < 500;
    if (isTheirs) await audit(context, peer, error);
    throw error;
  }
}

async function audit({ store, surroundings, refusals }: IntakeContext, peer: Peer, error: FleetError): Promise<void> {
  try {
    await store.transaction(async (tx) => {
      const [der] = peer.chain;
      const device = der && (await tx.certificates.find(sha256Hex(der)))?.device;
      if (!refusals.take(`connect/${device ?? ""}`)) return;
      const clientId = peer.clientId.slice(0, 64);
      await appendAudit(tx, {
        at: surroundings.clock.now(),
        actor: device ? `device:${device}` : "unknown",
        action: "session.refused",
        target: clientId,
        outcome: "failure",
        details: { code: error.code, message: error.message.slice(0, 256) },
      });
    });
  } catch (failure) {
    surroundings.notices.raise({ name: "refusal.failed", details: { cause: String(failure) } });
  }
}
