import {
  type Body,
  decodeEnvelope,
  decodeMessage,
  type Message,
  parseTopic,
  payloadTypes,
  requireMaySign,
  type SignedEnvelope,
  type Topic,
  type UpKind,
} from "@fleetcert/proto";
import { type Duration, FleetError, sha256Hex } from "@fleetcert/shared";
import type { BrokerEvents, DeviceMessage, MessageHandler, MessageSource, PeerIdentity } from "../ports.ts";
import type { Transaction } from "../store-port.ts";
import { answer, answerAgain, findAnswer } from "./answer.ts";
import { acceptChallengeResponse, challengeRegression, isRegression } from "./challenge.ts";
import type { IntakeContext } from "./intake.ts";
import { type Refusable, refuseMessage } from "./refuse-message.ts";
import { type JudgedSigner, judgeSigner } from "./signer-standing.ts";

/**
 * Takes one publish of an authenticated session through to its answer. Resolves when what must be durable is durable;
 * bad input is refused, counted and answered where the session says to whom. Never throws for it.
 */
export async function receiveMessage(
  context: IntakeContext,
  { topic: topicText, payload, peer }: Parameters<BrokerEvents["receive"]>[0],
): Promise<void> {
  let refusable: Refusable = { peer, message: undefined };
  try {
    const topic = requireOwnTopic(topicText, peer);
    const envelope = decodeEnvelope(payload);
    if (envelope.payloadType !== payloadTypes.message) {
      throw new FleetError("message-invalid", "the envelope holds no message");
    }
    const message = decodeMessage(envelope.payload);
    refusable = { peer, message };
    requireAddressedHere(context, { topic, message, peer });
    await context.turns.take(message.sender, () => execute(context, { envelope, message, peer, kind: topic.kind }));
  } catch (error) {
    await refuseMessage(context, refusable, error);
  }
}

type UpTopic = Extract<Topic, { type: "up" | "bootstrap-up" }>;

function requireOwnTopic(text: string, peer: PeerIdentity): UpTopic {
  const topic = parseTopic(text);
  const isOwn =
    peer.type === "operational"
      ? topic?.type === "up" && topic.device === peer.device
      : topic?.type === "bootstrap-up" && topic.clientId === peer.clientId;
  if (!isOwn) throw new FleetError("denied", "the topic does not belong to the session");
  return topic as UpTopic;
}

/** Fleet, direction, kind, recipient and sender must be what topic and session say. */
function requireAddressedHere(
  { sealer }: IntakeContext,
  { topic, message, peer }: { readonly topic: UpTopic; readonly message: Message; readonly peer: PeerIdentity },
): void {
  const wrong: readonly (readonly [string, boolean])[] = [
    ["fleet", message.fleet !== sealer.fleet],
    ["direction", message.direction !== "device-to-controller"],
    ["recipient", message.recipient !== "controller"],
    ["kind", message.kind !== topic.kind],
    ["sender", peer.type === "operational" && message.sender !== peer.device],
  ];
  const names = wrong.filter(([, isWrong]) => isWrong).map(([name]) => name);
  if (names.length > 0) throw new FleetError("message-invalid", `the message has the wrong ${names.join(", ")}`);
}

/** A decoded message that is addressed here, and how it came. */
export interface Arrived {
  readonly envelope: SignedEnvelope;
  readonly message: Message;
  readonly peer: MessageSource;
  readonly kind: UpKind;
}

/** Judges one message and carries it out, or answers it as before. Throws a FleetError to refuse; then nothing changed. */
export async function execute(context: IntakeContext, arrived: Arrived): Promise<void> {
  const { envelope, message, peer, kind } = arrived;
  const payloadSha256 = sha256Hex(envelope.payload);
  const { store, surroundings } = context;
  const judged = await store.transaction(async (tx) => {
    const now = surroundings.clock.now();
    const signer = await judgeSigner(tx, { envelope, message, peer, now, grace: context.graceAfterProof });
    await requireActive(tx, message.sender);
    requireUnrevoked(signer, message.sender);
    requireMaySign(signer.standing, kind, peer.type);
    if (peer.type !== "courier") requireWithinRenewal(context, signer, message.sender);
    const known = await findAnswer(tx, { device: message.sender, messageId: message.messageId, payloadSha256 });
    if (known !== undefined) {
      await answerAgain(context, tx, { peer, message, body: known });
      return { signer, isAnswered: true };
    }
    if (await isRegression(tx, { message, peer, signer })) {
      await challengeRegression(context, tx, { message, peer });
      return { signer, isAnswered: true };
    }
    return { signer, isAnswered: false };
  });
  if (judged.isAnswered) return;

  const { key, certificate, claimId } = judged.signer;
  const proven = peer.type === "courier" && claimId !== undefined ? { ...peer, claimId } : peer;
  const received: DeviceMessage = { device: message.sender, message, peer: proven, signer: key, certificate };
  const reply = (tx: Transaction, body: Body) => answer(context, tx, { received, payloadSha256, body });
  await handlerOf(context, kind)(received, reply);
}

function handlerOf(context: IntakeContext, kind: UpKind): MessageHandler {
  if (kind === "time") return (received, reply) => giveTime(context, received, reply);
  if (kind === "challenge") return (received, reply) => acceptChallengeResponse(context, received, reply);
  const handler = context.handlers[kind];
  if (handler === undefined)
    throw new FleetError("version-unsupported", `this controller does not take ${kind} messages`);
  return handler;
}

/** The message id is the nonce (proto/v1/time.proto). */
async function giveTime(context: IntakeContext, { message }: DeviceMessage, reply: Parameters<MessageHandler>[1]) {
  const nonce = Buffer.from(message.messageId, "hex");
  const now = context.surroundings.clock.now();
  await context.store.transaction((tx) => reply(tx, { type: "time-token", nonce, now, trustBundles: [] }));
}

/** I7: read from the inventory at every message; a device that does not exist yet is no obstacle to its enrolment. */
async function requireActive(tx: Transaction, id: string): Promise<void> {
  const device = await tx.devices.find(id);
  if (device?.state === "suspended") {
    throw new FleetError("device-suspended", `device ${id} is suspended (${device.stateReason})`, {
      hint: `a person who may approve it runs: fleetcert device reinstate ${id}`,
    });
  }
  if (device?.state === "retired") {
    throw new FleetError("device-retired", `device ${id} is retired`, {
      hint: "its keys are erased; enrol the machine as another device",
    });
  }
}

/** A revoked key gets the cause, nothing else (DESIGN.md section 5). */
function requireUnrevoked({ standing, certificate }: JudgedSigner, device: string): void {
  if (standing !== "revoked" || certificate === undefined) return;
  const { generation, revocationReason } = certificate;
  throw new FleetError(
    "credential-revoked",
    `the certificate of ${device}, generation ${generation}, is revoked (${revocationReason})`,
    { hint: reenrolment(device) },
  );
}

/** The path held at the old notAfter; here the real expiry is judged (DESIGN.md section 6). */
function requireWithinRenewal(
  { surroundings, renewAfterExpiry }: IntakeContext,
  { standing, certificate }: JudgedSigner,
  device: string,
): void {
  if (standing !== "expired" || certificate === undefined) return;
  const since = surroundings.clock.now() - certificate.notAfter;
  if (since <= renewAfterExpiry) return;
  throw new FleetError(
    "credential-expired",
    `the certificate of ${device} expired ${hours(since)} ago, its key renews it for ${hours(renewAfterExpiry)}`,
    { hint: `have a courier carry its bundle (fleetcert-agent bundle export), or ${reenrolment(device)}` },
  );
}

const reenrolment = (device: string): string =>
  `a person who may re-approve it runs: fleetcert device reenrol ${device}`;
const hours = (duration: Duration): string => `${Math.floor(duration / 3_600_000)} h`;
