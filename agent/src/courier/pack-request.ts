import {
  type Body,
  type CourierPart,
  courierPartHashes,
  encodeBodyAtRest,
  encodeCourierFile,
  encodeMessage,
  kindOf,
  payloadTypes,
  signEnvelope,
  type UpKind,
} from "@fleetcert/proto";
import { type Duration, FleetError, type Signer, sha256Hex } from "@fleetcert/shared";
import type { Outbox } from "../outbox/outbox.ts";
import type { CarriedClaim, CourierParts, ExportedBundle, SlotWishes } from "./courier.ts";
import { type ExportedMessage, rememberExport } from "./exports.ts";

/**
 * Packs one bundle. What it holds is signed by the identity in use and, between a certificate and the news of its proof, by the
 * next one too: here nobody knows which of the two the controller counts by now. Proofs come first, so that what follows is heard
 * in the name of the new key.
 */
export async function packRequest(
  parts: CourierParts,
  { renew }: { readonly renew: boolean },
): Promise<ExportedBundle> {
  if (!parts.hasEnrolled()) return await packEnrolment(parts, await parts.claim());
  const wishes: (SlotWishes & { readonly slot: string })[] = [];
  for (const slot of parts.slots) wishes.push({ slot: slot.slot, ...(await slot.wishes({ renew })) });
  const { current, next } = await parts.identity();
  const { generation } = current;
  const signers = [current.key, ...(next === undefined ? [] : [next.key])];
  const { entries, left } = chooseNews(parts);
  const counter = await parts.nextCounter();
  const sender = new Sender(parts, generation);
  for (const { slot, activated } of wishes) {
    if (activated === undefined) continue;
    const { generation: proven } = activated;
    const prover = slot === identitySlot && next !== undefined ? [next.key] : signers;
    await sender.put(activated, prover, { slot, generation: proven });
  }
  await sender.put({ type: "time-request" }, signers);
  await sender.put(parts.report(), signers);
  for (const { key, body } of entries) {
    await sender.put(body, signers, { entry: key, sha256: sha256Hex(encodeBodyAtRest(body)) });
  }
  for (const { slot, renew: request } of wishes) {
    if (request !== undefined) await sender.put(request, signers, { slot, generation: request.generation });
  }
  const bundle = await seal(parts, sender, { generation, counter, signers });
  return {
    ...{ device: parts.device, generation, counter, left, enrolsBy: "", bundle },
    renews: generationsOf(wishes, ({ renew: request }) => request?.generation),
    proves: generationsOf(wishes, ({ activated }) => activated?.generation),
    news: entries.length,
  };
}

/**
 * Packs the enrolment of a device that has no certificate: nothing beside it, signed by its new key and by the claim's. The claim's
 * secret stays here; see docs/decisions/0029.
 */
async function packEnrolment(parts: CourierParts, claim: CarriedClaim): Promise<ExportedBundle> {
  let enrol: SlotWishes["enrol"];
  for (const slot of parts.slots) {
    if (slot.slot === identitySlot) enrol = (await slot.wishes({ renew: false })).enrol;
  }
  const { current } = await parts.identity();
  if (enrol === undefined) throw new FleetError("conflict", "the enrolment of this device is not ready to be carried");
  const { generation } = current;
  const signers = [current.key, claim.signer];
  const counter = await parts.nextCounter();
  const sender = new Sender(parts, generation);
  await sender.put({ ...enrol, claimId: claim.claimId }, signers, { slot: identitySlot, generation });
  const bundle = await seal(parts, sender, { generation, counter, signers });
  const none = { renews: {}, proves: {}, news: 0, left: 0 };
  return { ...none, device: parts.device, generation, counter, enrolsBy: claim.claimId, bundle };
}

/** Signs for what was packed, and remembers it. */
async function seal(
  parts: CourierParts,
  { packed, messages }: Sender,
  as: { readonly generation: number; readonly counter: number; readonly signers: readonly Signer[] },
): Promise<Uint8Array> {
  const { generation, counter } = as;
  const nonce = parts.random.bytes(32);
  const manifest = await signed(
    parts,
    { type: "courier-request", nonce, wantsLists: parts.keepsLists, parts: courierPartHashes(packed) },
    as,
  );
  // Remembered before the file exists: a reply to it is known whatever happens here.
  await rememberExport(parts.state, {
    ...{ id: manifest.id, nonce: Buffer.from(nonce).toString("hex"), generation, counter, messages },
    at: parts.time.estimate().at,
    importedAt: undefined,
  });
  parts.log.info({ generation, counter, messages: messages.length }, "courier bundle exported");
  return encodeCourierFile({ manifest: manifest.envelope, parts: packed });
}

/** Signs one message after the other, each numbered next. */
class Sender {
  readonly packed: CourierPart[] = [];
  readonly messages: ExportedMessage[] = [];
  readonly #parts: CourierParts;
  readonly #generation: number;

  constructor(parts: CourierParts, generation: number) {
    this.#parts = parts;
    this.#generation = generation;
  }

  async put(body: Body, signers: readonly Signer[], about: Omit<ExportedMessage, "id" | "kind"> = {}): Promise<void> {
    const counter = await this.#parts.nextCounter();
    const { id, envelope } = await signed(this.#parts, body, { generation: this.#generation, counter, signers });
    const kind = kindOf(body.type) as UpKind;
    this.packed.push({ topic: { type: "up", device: this.#parts.device, kind }, payload: envelope });
    this.messages.push({ id, kind, ...about });
  }
}

async function signed(
  { fleet, device, time, newMessageId }: CourierParts,
  body: Body,
  as: { readonly generation: number; readonly counter: number; readonly signers: readonly Signer[] },
): Promise<{ readonly id: string; readonly envelope: Uint8Array }> {
  const sentAt = time.estimate().at;
  const { generation, counter, signers } = as;
  const id = newMessageId();
  const payload = encodeMessage({
    fleet,
    direction: "device-to-controller",
    sender: device,
    recipient: "controller",
    messageId: id,
    inReplyTo: undefined,
    sentAt,
    expiresAt: sentAt + bundleLifetime,
    sequence: { generation, stream: "courier", counter },
    traceparent: undefined,
    body,
  });
  return { id, envelope: await signEnvelope(payloadTypes.message, payload, ...signers) };
}

/** As much of the outbox as a bundle holds, the most important first; a fresh report makes those that wait needless. */
function chooseNews({ outbox }: CourierParts): { readonly entries: readonly OutboxEntry[]; readonly left: number } {
  const waiting = outbox.waiting().filter(({ body }) => body.type !== "report");
  const entries: OutboxEntry[] = [];
  let bytes = 0;
  for (const entry of waiting) {
    bytes += entry.bytes + envelopeBytes;
    if (entries.length >= maxNews || bytes > maxNewsBytes) break;
    entries.push(entry);
  }
  return { entries, left: waiting.length - entries.length };
}

function generationsOf(
  wishes: readonly (SlotWishes & { readonly slot: string })[],
  of: (wish: SlotWishes) => number | undefined,
): Record<string, number> {
  return Object.fromEntries(
    wishes.flatMap((wish) => {
      const generation = of(wish);
      return generation === undefined ? [] : [[wish.slot, generation]];
    }),
  );
}

type OutboxEntry = ReturnType<Outbox["waiting"]>[number];

const identitySlot = "identity";
/** DESIGN.md section 6: what the controller remembers its answers for. */
const bundleLifetime: Duration = 30 * 86_400_000;
const maxNews = 500;
const maxNewsBytes = 320 * 1024;
/** Around a body: addresses, numbers and two signatures. */
const envelopeBytes = 600;
