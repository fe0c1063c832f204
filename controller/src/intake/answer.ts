import {
  type Body,
  decodeBodyAtRest,
  encodeBodyAtRest,
  formatTopic,
  kindOf,
  type Message,
  type Topic,
} from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import type { DeviceMessage, MessageSource } from "../ports.ts";
import type { Transaction } from "../store-port.ts";
import type { IntakeContext } from "./intake.ts";

/** Stores the answer with the effect it belongs to, notes sequence and contact, and enqueues it in a signed envelope. */
export async function answer(
  context: IntakeContext,
  tx: Transaction,
  given: { readonly received: DeviceMessage; readonly payloadSha256: string; readonly body: Body },
): Promise<void> {
  const { received, payloadSha256, body } = given;
  const { device, message, peer } = received;
  const now = context.surroundings.clock.now();
  await tx.answers.put({
    device,
    messageId: message.messageId,
    payloadSha256,
    answer: encodeBodyAtRest(body),
    expiresAt: now + (isAboutCredential(body) || peer.type === "courier" ? answersKept : receiptsKept),
  });
  if (message.sequence !== undefined && peer.type === "operational") {
    await tx.sequences.put({ device, ...message.sequence });
  }
  const registered = await tx.devices.find(device);
  if (registered !== undefined) await tx.devices.put({ ...registered, lastSeenAt: now });
  await enqueueAnswer(context, tx, { peer, recipient: device, inReplyTo: message.messageId, body });
}

/** The answer of the same message given before; throws `message-replayed` when its id came with other content. */
export async function findAnswer(
  tx: Transaction,
  asked: { readonly device: string; readonly messageId: string; readonly payloadSha256: string },
): Promise<Body | undefined> {
  const known = await tx.answers.find(asked.device, asked.messageId);
  if (known === undefined) return undefined;
  if (known.payloadSha256 === asked.payloadSha256) return decodeBodyAtRest(known.answer);
  throw new FleetError(
    "message-replayed",
    `message ${asked.messageId} of ${asked.device} came again with other content`,
  );
}

/** The same answer in a fresh envelope. */
export async function answerAgain(
  context: IntakeContext,
  tx: Transaction,
  { peer, message, body }: { readonly peer: MessageSource; readonly message: Message; readonly body: Body },
): Promise<void> {
  await enqueueAnswer(context, tx, { peer, recipient: message.sender, inReplyTo: message.messageId, body });
}

/**
 * Seals an answer and enqueues it on the session's own topic; over bootstrap with the way of trust, for whoever was away for
 * long. That to a message of a bundle goes back with the courier.
 */
export async function enqueueAnswer(
  { sealer, trustWalk, carry }: IntakeContext,
  tx: Transaction,
  letter: {
    readonly peer: MessageSource;
    readonly recipient: string;
    readonly inReplyTo: string | undefined;
    readonly body: Body;
  },
): Promise<void> {
  const { peer, recipient, inReplyTo } = letter;
  if (peer.type === "courier") {
    carry(letter.body);
    return;
  }
  const needsTrust = peer.type === "bootstrap" && (letter.body.type === "refused" || letter.body.type === "time-token");
  const body = needsTrust ? { ...letter.body, trustBundles: trustWalk() } : letter.body;
  const { envelope } = await sealer.seal({ recipient, body, inReplyTo, validFor: answerValidity });
  const kind = kindOf(body.type) as Extract<Topic, { type: "down" }>["kind"];
  const topic =
    peer.type === "operational"
      ? formatTopic({ type: "down", device: peer.device, kind })
      : formatTopic({ type: "bootstrap-down", clientId: peer.clientId, kind });
  await tx.outbox.enqueue({ topic, payload: envelope, retain: false });
}

/**
 * What was decided about a credential is kept longer than a device may be away, and what came by courier for the longest life
 * of a bundle; the rest is sealed anew when it asks again.
 */
const isAboutCredential = ({ type }: Body): boolean => type === "issued" || type === "confirmed";

const answersKept = 30 * 86_400_000;
const receiptsKept = 3_600_000;
const answerValidity = 5 * 60_000;
