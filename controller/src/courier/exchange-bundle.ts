import {
  type Body,
  type CourierFile,
  type CourierPart,
  courierPartHashes,
  type DownKind,
  decodeCourierFile,
  decodeEnvelope,
  decodeMessage,
  encodeCourierFile,
  kindOf,
  type Message,
  maxCourierBytes,
  requireCourierParts,
} from "@fleetcert/proto";
import { type Duration, FleetError } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { CarriedAnswer, CarriedOutcome } from "../ports.ts";
import type { AnswerSummary, CourierParts, ExchangedBundle } from "./courier.ts";

/** Takes one bundle through intake and seals what goes back. Both ends are audited with the operator. */
export async function exchangeBundle(
  parts: CourierParts,
  { operator, bundle }: { readonly operator: string; readonly bundle: Uint8Array },
): Promise<ExchangedBundle> {
  let claimed = "";
  try {
    const file = decodeCourierFile(bundle, maxCourierBytes.request);
    const manifest = manifestOf(file);
    claimed = manifest.sender;
    if (manifest.body.type !== "courier-request")
      throw malformed(`a ${manifest.body.type} in the place of the manifest`);
    requireCourierParts(file.parts, manifest.body.parts);
    requireOwnTopics(file.parts, manifest.sender);
    const messages = file.parts.map(({ payload }) => payload);
    const outcome = await parts.intake.receiveBundle({ manifest: file.manifest, messages, operator });
    const exchanged = await replyTo(parts, outcome);
    await auditExchange(parts, operator, exchanged);
    return exchanged;
  } catch (error) {
    if (error instanceof FleetError) await auditRefusal(parts, { operator, claimed, error });
    throw error;
  }
}

function manifestOf({ manifest }: CourierFile): Message {
  return decodeMessage(decodeEnvelope(manifest).payload);
}

/** A part's topic says nothing that its signed message does not; one that differs was put together by somebody else. */
function requireOwnTopics(parts: readonly CourierPart[], device: string): void {
  for (const { topic, payload } of parts) {
    const { kind } = decodeMessage(decodeEnvelope(payload).payload);
    if (topic.type !== "up" || topic.kind !== kind) throw malformed(`a ${kind} travels as something else`);
    if (topic.device !== device) {
      throw new FleetError("bundle-foreign", `a part is of ${topic.device}, the bundle of ${device}`);
    }
  }
}

async function replyTo(parts: CourierParts, outcome: CarriedOutcome): Promise<ExchangedBundle> {
  const { sealer, surroundings } = parts;
  const { manifest, isRepeated, answers } = outcome;
  const { sender: device, messageId, body, sequence } = manifest;
  const { generation, counter } = sequence ?? { generation: 0, counter: 0 };
  const seal = async (answer: Body, inReplyTo: string): Promise<Uint8Array> =>
    (await sealer.seal({ recipient: device, body: answer, inReplyTo, validFor: replyLifetime })).envelope;
  const replies: CourierPart[] = [];
  for (const { body: answer, inReplyTo } of answers) {
    const kind = kindOf(answer.type) as DownKind;
    replies.push({ topic: { type: "down", device, kind }, payload: await seal(answer, inReplyTo) });
  }
  const carried = [...(await parts.carried(device, { withLists: body.wantsLists })), ...replies];
  const reply: Body = { type: "courier-reply", nonce: body.nonce, generation, parts: courierPartHashes(carried) };
  return {
    ...{ device, generation, counter, isRepeated },
    answers: answers.map(summaryOf),
    expiresAt: surroundings.clock.now() + replyLifetime,
    reply: encodeCourierFile({ manifest: await seal(reply, messageId), parts: carried }),
  };
}

function summaryOf({ asked, body }: CarriedAnswer): AnswerSummary {
  switch (body.type) {
    case "issued":
    case "confirmed":
      return { asked, answer: body.type, slot: body.slot, generation: body.generation };
    case "refused":
      return { asked, answer: body.type, code: body.code, message: body.message };
    default:
      return { asked, answer: body.type };
  }
}

async function auditExchange(
  { store, surroundings }: CourierParts,
  operator: string,
  { device, generation, counter, isRepeated, answers }: ExchangedBundle,
): Promise<void> {
  const count = (type: string): string => String(answers.filter(({ answer }) => answer === type).length);
  await store.transaction((tx) =>
    appendAudit(tx, {
      at: surroundings.clock.now(),
      actor: operator,
      action: "courier.exchanged",
      target: device,
      outcome: "success",
      details: {
        bundle: `${generation}.${counter}`,
        messages: String(answers.length),
        issued: count("issued"),
        confirmed: count("confirmed"),
        refused: count("refused"),
        ...(isRepeated && { repeated: "true" }),
      },
    }),
  );
}

async function auditRefusal(
  { store, surroundings }: CourierParts,
  { operator, claimed, error }: { readonly operator: string; readonly claimed: string; readonly error: FleetError },
): Promise<void> {
  await store.transaction((tx) =>
    appendAudit(tx, {
      at: surroundings.clock.now(),
      actor: operator,
      action: "courier.refused",
      target: claimed,
      outcome: "failure",
      details: { code: error.code, message: error.message },
    }),
  );
}

function malformed(message: string): FleetError {
  return new FleetError("message-invalid", `the bundle is malformed: ${message}`);
}

/** As long as the controller remembers what it has answered. */
const replyLifetime: Duration = 30 * 86_400_000;
