import { type Duration, FleetError } from "@fleetcert/shared";
import type { Credential } from "../ports.ts";
import type { Standing } from "../standing/standing-keeper.ts";
import { askOverBootstrap, type BootstrapQuestion, type BootstrapTools } from "./bootstrap-session.ts";

/** Who asks whom. */
export type StandingQuestion = Pick<BootstrapQuestion, "fleet" | "device" | "controller" | "rootSha256">;

/**
 * Asks the controller, on its bootstrap listener, why it turns a credential away on the operational one. The question is one for
 * the time: whatever stands against the credential is refused to it with the cause; otherwise the time that comes says whether
 * it has expired. The answer is verified: signature by a command key, fleet, recipient, and in reply to what was asked.
 *
 * Trust that led to the answer, and the time in it, are accepted. Rejects as {@link askOverBootstrap} does, with
 * `message-replayed`, and with `time-unknown` when the controller could not judge now; then nothing is known.
 */
export async function askStanding(
  question: StandingQuestion,
  credential: Credential,
  { tools, signal }: { readonly tools: BootstrapTools; readonly signal: AbortSignal },
): Promise<Standing> {
  const { message, walk, server } = await askOverBootstrap(
    { ...question, right: { credential }, body: { type: "time-request" }, signer: credential.key, patience },
    tools,
    signal,
  );
  const { body, sentAt, inReplyTo } = message;
  if (walk === undefined) throw new FleetError("signature-invalid", "nobody vouches for the answer");
  server.verifyDates(sentAt);
  for (const envelope of walk.accepted) await tools.trust.accept(envelope);
  if (body.type === "refused") {
    const { code, message: text, hint } = body;
    if (!verdicts.has(code)) throw new FleetError("time-unknown", `the controller cannot say now: ${code} ${text}`);
    return { type: "against", code, message: text, hint };
  }
  if (body.type !== "time-token" || Buffer.from(body.nonce).toString("hex") !== inReplyTo) {
    throw new FleetError("message-replayed", `the controller answered with a ${body.type} that was not asked for`);
  }
  await tools.time.accept(body.now, "token");
  return { type: "clear" };
}

/** Refusals that say something of the credential, and not only of the moment. */
const verdicts: ReadonlySet<string> = new Set([
  "device-suspended",
  "device-retired",
  "credential-revoked",
  "credential-expired",
  "signer-not-allowed",
  "unauthenticated",
]);
const patience: Duration = 30_000;
