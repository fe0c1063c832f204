import type { BodyOf, Message } from "@fleetcert/proto";
import { attestationFailureOf, FleetError, pathFailureOf } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { PeerIdentity } from "../ports.ts";
import { enqueueAnswer } from "./answer.ts";
import type { IntakeContext } from "./intake.ts";

/** What is known of a message that is refused. */
export interface Refusable {
  readonly peer: PeerIdentity;
  /** Undefined when it could not even be decoded. */
  readonly message: Message | undefined;
}

/**
 * Answers a refusal and audits it, both within the peer's budget; beyond it is only counted. A refusal has no effect, so
 * it is not kept: asked again, the message is judged again. Never throws; a store that fails is a notice.
 */
export async function refuseMessage(
  context: IntakeContext,
  { peer, message }: Refusable,
  error: unknown,
): Promise<void> {
  const refusal = asRefusal(error);
  const { clock, notices } = context.surroundings;
  const from = peer.type === "operational" ? peer.device : peer.clientId;
  const kind = message?.kind ?? "unreadable";
  const cause = refusal.code === "internal" ? { cause: String(refusal.cause) } : undefined;
  const reason = reasonOf(refusal);
  notices.raise({ name: "message.refused", device: from, details: { code: refusal.code, kind, ...reason, ...cause } });
  if (!context.refusals.take(from)) return;
  try {
    await context.store.transaction(async (tx) => {
      await appendAudit(tx, {
        at: clock.now(),
        actor: peer.type === "operational" ? `device:${peer.device}` : `bootstrap:${peer.clientId}`,
        action: "message.refused",
        target: message?.sender ?? from,
        outcome: "failure",
        details: { code: refusal.code, message: refusal.message, kind, ...reason },
      });
      await enqueueAnswer(context, tx, {
        peer,
        recipient: peer.type === "operational" ? peer.device : (message?.sender ?? peer.clientId),
        inReplyTo: message?.messageId,
        body: refusedBody(refusal),
      });
    });
  } catch (failure) {
    notices.raise({ name: "refusal.failed", device: from, details: { cause: String(failure) } });
  }
}

/** Evidence and paths are refused for many reasons under one code; the audit names which. */
function reasonOf(refusal: FleetError): { readonly reason: string } | undefined {
  const reason = attestationFailureOf(refusal) ?? pathFailureOf(refusal);
  return reason === undefined ? undefined : { reason };
}

/** What a device is told of an error: its own, or that the controller failed. */
export function asRefusal(error: unknown): FleetError {
  if (error instanceof FleetError) return error;
  return new FleetError("internal", "the controller failed while it worked on the message", {
    cause: error,
    retry: true,
  });
}

/** The refusal as it travels. */
export function refusedBody({ code, message, hint, retry }: FleetError): BodyOf<"refused"> {
  return {
    type: "refused",
    code,
    message: message.slice(0, 1024),
    hint: (hint ?? `fleetcert explain ${code}`).slice(0, 1024),
    retryAfter: retry ? retryAfter : 0,
    trustBundles: [],
  };
}

const retryAfter = 5_000;
