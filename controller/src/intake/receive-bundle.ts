import {
  type Body,
  decodeEnvelope,
  decodeMessage,
  type EnrolRequest,
  encodeBodyAtRest,
  isExactEnvelope,
  type Message,
  payloadTypes,
  requireMaySign,
  type SignedEnvelope,
  type UpKind,
} from "@fleetcert/proto";
import { FleetError, sha256Hex } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { BundleIntake, CarriedAnswer, CarriedBundle, CarriedOutcome } from "../ports.ts";
import type { Transaction } from "../store-port.ts";
import { findAnswer } from "./answer.ts";
import type { IntakeContext } from "./intake.ts";
import { type Arrived, execute } from "./receive-message.ts";
import { asRefusal, refusedBody } from "./refuse-message.ts";
import { bestOf, judgeNewcomer, judgeSigners } from "./signer-standing.ts";

/**
 * Takes a bundle as {@link BundleIntake} says. Its manifest is judged once, and the counter of the courier's stream with it: files
 * come late and twice, so an older one is stale, never a challenge. What the manifest was signed for then goes the way of every
 * message, one after the other, each with an answer of its own.
 */
export async function receiveBundle(
  context: IntakeContext,
  bundle: CarriedBundle,
): ReturnType<BundleIntake["receiveBundle"]> {
  const opened = openManifest(context, bundle);
  const arrived = bundle.messages.map((bytes, at) => openPart(context, bytes, { at, opened, bundle }));
  const { manifest } = opened;
  const newcomer = enrolmentIn(arrived);
  if (newcomer !== undefined) return await receiveNewcomer(context, opened, { bundle, ...newcomer });
  const isRepeated = await context.turns.take(manifest.sender, () => takeManifest(context, opened, bundle));
  const answers: CarriedAnswer[] = [];
  for (const one of arrived) {
    const body = await context.turns.take(manifest.sender, () => answerTo(context, one));
    answers.push({ asked: one.kind, inReplyTo: one.message.messageId, body });
  }
  return { manifest, isRepeated, answers };
}

/** What makes a bundle one of a device that nobody knows yet: an enrolment, and nothing beside it. */
function enrolmentIn(arrived: readonly Arrived[]) {
  const [one] = arrived;
  const body = one?.message.body;
  return arrived.length === 1 && one !== undefined && body?.type === "enrol" ? { one, request: body } : undefined;
}

/**
 * Takes the bundle of a device that is to enrol. Who may bring any claim's bundle in any device's name must not be able to block that
 * device: the bundle counts among its contacts only once the enrolment has succeeded.
 */
async function receiveNewcomer(
  context: IntakeContext,
  opened: OpenedManifest,
  { bundle, one, request }: { readonly bundle: CarriedBundle; readonly one: Arrived; readonly request: EnrolRequest },
): Promise<CarriedOutcome> {
  const { envelope, manifest, generation } = opened;
  const { store, surroundings, graceAfterProof: grace } = context;
  return await context.turns.take(manifest.sender, async () => {
    const isRepeated = await store.transaction(async (tx) => {
      const now = surroundings.clock.now();
      const signer = await judgeNewcomer(tx, { envelope, message: manifest, request, now, grace });
      requireMaySign(signer.standing, "courier", "courier");
      if (generation !== request.generation) throw invalid(`the manifest is of generation ${generation}`);
      return await requireFresh(context, tx, opened);
    });
    const body = await answerTo(context, one);
    if (body.type === "issued") await store.transaction((tx) => noteBundle(context, tx, { opened, bundle }));
    return { manifest, isRepeated, answers: [{ asked: one.kind, inReplyTo: one.message.messageId, body }] };
  });
}

interface OpenedManifest {
  readonly envelope: SignedEnvelope;
  readonly manifest: CarriedOutcome["manifest"];
  readonly counter: number;
  readonly generation: number;
}

function openManifest(context: IntakeContext, { manifest: bytes }: CarriedBundle): OpenedManifest {
  const { envelope, message } = openHere(context, bytes);
  const { body, sequence } = message;
  if (body.type !== "courier-request") throw invalid(`a ${body.type} in the place of the manifest`);
  if (!isExactEnvelope(bytes)) throw invalid("the manifest holds octets that belong to nothing");
  if (sequence?.stream !== "courier") throw invalid("the manifest is not numbered in the courier's stream");
  const { counter, generation } = sequence;
  return { envelope, manifest: { ...message, body }, counter, generation };
}

function openPart(
  context: IntakeContext,
  bytes: Uint8Array,
  { at, opened, bundle }: { readonly at: number; readonly opened: OpenedManifest; readonly bundle: CarriedBundle },
): Arrived {
  const { envelope, message } = openHere(context, bytes);
  const { manifest, counter } = opened;
  if (message.sender !== manifest.sender) {
    throw new FleetError("bundle-foreign", `part ${at} is of ${message.sender}, the bundle of ${manifest.sender}`);
  }
  const { sequence, kind } = message;
  if (sequence?.stream !== "courier" || sequence.counter <= counter) {
    throw invalid(`part ${at} is not numbered after the manifest`);
  }
  return { envelope, message, kind: kind as UpKind, peer: { type: "courier", operator: bundle.operator } };
}

function openHere({ sealer }: IntakeContext, bytes: Uint8Array): { envelope: SignedEnvelope; message: Message } {
  const envelope = decodeEnvelope(bytes);
  if (envelope.payloadType !== payloadTypes.message) throw invalid("an envelope holds no message");
  const message = decodeMessage(envelope.payload);
  if (message.fleet !== sealer.fleet) {
    throw new FleetError("bundle-foreign", `the bundle is of fleet ${message.fleet}, this one is ${sealer.fleet}`);
  }
  if (message.direction !== "device-to-controller" || message.recipient !== "controller") {
    throw invalid(`the message goes ${message.direction} to ${message.recipient}`);
  }
  return { envelope, message };
}

/** Whether the bundle was taken before; the first time it is noted, so that its messages are judged in its name. */
async function takeManifest(context: IntakeContext, opened: OpenedManifest, bundle: CarriedBundle): Promise<boolean> {
  const { envelope, manifest, generation } = opened;
  const { store, surroundings, graceAfterProof: grace } = context;
  return await store.transaction(async (tx) => {
    const now = surroundings.clock.now();
    const signers = await judgeSigners(tx, { envelope, message: manifest, now, grace });
    const signer = bestOf(signers, "courier");
    requireMaySign(signer.standing, "courier", "courier");
    if (!signers.some(({ certificate }) => certificate?.generation === generation)) {
      throw invalid(`the manifest is of generation ${generation}, none of its signers is`);
    }
    const isRepeated = await requireFresh(context, tx, opened);
    await noteBundle(context, tx, { opened, bundle });
    return isRepeated;
  });
}

/** Whether the very bundle was taken before; throws `bundle-stale` for another that is not newer. */
async function requireFresh(context: IntakeContext, tx: Transaction, opened: OpenedManifest): Promise<boolean> {
  const { envelope, manifest, counter, generation } = opened;
  const { sender: device, messageId } = manifest;
  const known = await findAnswer(tx, { device, messageId, payloadSha256: sha256Hex(envelope.payload) });
  if (known === undefined) await requireNewest(context, tx, { device, counter, generation });
  return known !== undefined;
}

/** Remembers a bundle that was taken, and that its device was heard of. */
async function noteBundle(
  { surroundings }: IntakeContext,
  tx: Transaction,
  { opened, bundle }: { readonly opened: OpenedManifest; readonly bundle: CarriedBundle },
): Promise<void> {
  const { envelope, manifest, counter, generation } = opened;
  const { sender: device, messageId } = manifest;
  const now = surroundings.clock.now();
  await tx.answers.put({
    ...{ device, messageId, payloadSha256: sha256Hex(envelope.payload) },
    answer: encodeBodyAtRest({ type: "received" }),
    expiresAt: now + longestBundleLife,
  });
  const before = await tx.courierContacts.find(device);
  const order = generation - (before?.generation ?? 0) || counter - (before?.counter ?? 0);
  const { operator } = bundle;
  if (order >= 0) await tx.courierContacts.put({ device, at: now, operator, generation, counter });
  const registered = await tx.devices.find(device);
  if (registered !== undefined) await tx.devices.put({ ...registered, lastSeenAt: now });
}

/** Bundles of a device are ordered by (generation, counter); the same number twice means that two use its key. */
async function requireNewest(
  { surroundings }: IntakeContext,
  tx: Transaction,
  { device, counter, generation }: { readonly device: string; readonly counter: number; readonly generation: number },
): Promise<void> {
  const last = await tx.courierContacts.find(device);
  if (last === undefined) return;
  const order = generation - last.generation || counter - last.counter;
  if (order > 0) return;
  if (order === 0) {
    surroundings.notices.raise({
      name: "clone.suspected",
      device,
      details: { counter: String(counter), via: "courier" },
    });
  }
  throw new FleetError(
    "bundle-stale",
    `bundle ${generation}.${counter} of ${device} comes after ${last.generation}.${last.counter}, which was exchanged on ${new Date(last.at).toISOString()}`,
    { hint: "export a new bundle on the device" },
  );
}

/** The body that was answered; a refusal is one, and changes nothing else. */
async function answerTo(context: IntakeContext, arrived: Arrived): Promise<Body> {
  let carried: Body | undefined;
  try {
    const carry = (body: Body): void => {
      carried = body;
    };
    await execute({ ...context, carry }, arrived);
    if (carried !== undefined) return carried;
    throw new FleetError("internal", `nothing was answered to the ${arrived.kind}`);
  } catch (error) {
    const refusal = asRefusal(error);
    await noteRefusal(context, arrived, refusal);
    return refusedBody(refusal);
  }
}

async function noteRefusal(
  context: IntakeContext,
  { message, kind, peer }: Arrived,
  refusal: FleetError,
): Promise<void> {
  const { clock, notices } = context.surroundings;
  const { sender: device } = message;
  const { code } = refusal;
  notices.raise({ name: "message.refused", device, details: { code, kind, via: "courier" } });
  if (!context.refusals.take(device)) return;
  await context.store.transaction((tx) =>
    appendAudit(tx, {
      at: clock.now(),
      actor: peer.type === "courier" ? peer.operator : `device:${device}`,
      action: "message.refused",
      target: device,
      outcome: "failure",
      details: { code, message: refusal.message, kind, via: "courier" },
    }),
  );
}

function invalid(message: string): FleetError {
  return new FleetError("message-invalid", `the bundle is malformed: ${message}`);
}

/** DESIGN.md section 6: message ids are remembered for the longest bundle lifetime. */
const longestBundleLife = 30 * 86_400_000;
