import type { Body, Message } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { DeviceMessage, MessageSource } from "../ports.ts";
import type { Transaction } from "../store-port.ts";
import { enqueueAnswer } from "./answer.ts";
import type { IntakeContext } from "./intake.ts";
import type { JudgedSigner } from "./signer-standing.ts";

/**
 * Whether a device's counter went back: only operational messages carry one of their own (a bundle's is judged once for all it
 * holds), and a challenge's answer may restart it.
 * Throws `message-invalid` when the sequence is missing or belongs to another generation than the signer's.
 */
export async function isRegression(
  tx: Transaction,
  { message, peer, signer }: { readonly message: Message; readonly peer: MessageSource; readonly signer: JudgedSigner },
): Promise<boolean> {
  if (peer.type !== "operational") return false;
  const { sequence } = message;
  if (sequence === undefined) throw new FleetError("message-invalid", "the message has no sequence");
  if (sequence.generation !== signer.certificate?.generation) {
    throw new FleetError("message-invalid", `the sequence is of generation ${sequence.generation}, the signer is not`);
  }
  if (message.kind === "challenge") return false;
  const highest = await tx.sequences.find(message.sender, sequence.generation, sequence.stream);
  return highest !== undefined && sequence.counter <= highest.counter;
}

/** Asks the device to prove itself; the message that went back is not executed. */
export async function challengeRegression(
  context: IntakeContext,
  tx: Transaction,
  { message, peer }: { readonly message: Message; readonly peer: MessageSource },
): Promise<void> {
  const { clock, random, notices } = context.surroundings;
  const device = message.sender;
  const nonce = random.bytes(32);
  const counter = String(message.sequence?.counter ?? 0);
  await tx.settings.put(settingOf(device), Buffer.from(nonce).toString("hex"));
  notices.raise({ name: "clone.suspected", device, details: { counter } });
  if (context.refusals.take(`clone/${device}`)) {
    await appendAudit(tx, {
      at: clock.now(),
      actor: `device:${device}`,
      action: "clone.suspected",
      target: device,
      outcome: "failure",
      details: { counter, kind: message.kind },
    });
  }
  await enqueueAnswer(context, tx, {
    peer,
    recipient: device,
    inReplyTo: message.messageId,
    body: { type: "challenge", nonce },
  });
}

/** Takes the answer to a challenge, signed by the proven key: the expected counter follows the device's own. */
export async function acceptChallengeResponse(
  context: IntakeContext,
  received: DeviceMessage,
  reply: (tx: Transaction, body: Body) => Promise<void>,
): Promise<void> {
  const { device, message } = received;
  if (message.body.type !== "challenge-response") throw new FleetError("message-invalid", "no answer to a challenge");
  const nonce = Buffer.from(message.body.nonce).toString("hex");
  await context.store.transaction(async (tx) => {
    const asked = await tx.settings.find(settingOf(device));
    if (asked === undefined || asked === "" || asked !== nonce) {
      throw new FleetError("message-replayed", `device ${device} answers a challenge that was not asked`);
    }
    await tx.settings.put(settingOf(device), "");
    await appendAudit(tx, {
      at: context.surroundings.clock.now(),
      actor: `device:${device}`,
      action: "clone.cleared",
      target: device,
      outcome: "success",
      details: { counter: String(message.sequence?.counter ?? 0) },
    });
    await reply(tx, { type: "received" });
  });
}

const settingOf = (device: string): string => `challenge/${device}`;
