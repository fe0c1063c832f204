import {
  type BodyOf,
  type CourierFile,
  type CourierPart,
  decodeCourierFile,
  formatTopic,
  isExactEnvelope,
  type Message,
  maxCourierBytes,
  requireCourierParts,
  type TrustBundle,
} from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { openControllerMessage, readAddressed } from "../controller-message.ts";
import type { IssuedRecord } from "../credential/verify-issued.ts";
import { walkTrust } from "../enrolment/walk-trust.ts";
import type { CarriedSlot, CourierParts } from "./courier.ts";
import { type ExportedMessage, type ExportRecord, readExports } from "./exports.ts";

/** A certificate of the reply, verified, and the slot that waits for it. */
export interface CarriedCertificate {
  readonly slot: CarriedSlot;
  readonly generation: number;
  readonly issued: IssuedRecord;
  readonly at: number;
}

/** A reply every part of which was verified; nothing of it is applied yet. */
export interface OpenedReply {
  readonly record: ExportRecord;
  readonly message: Message;
  /** Trust bundles newer than the one in force, oldest first. */
  readonly trust: readonly Uint8Array[];
  readonly answers: readonly { readonly to: ExportedMessage; readonly message: Message }[];
  readonly certificates: readonly CarriedCertificate[];
  readonly desired: { readonly body: BodyOf<"desired">; readonly envelope: Uint8Array } | undefined;
  /** Heads with their issuers, and what they name by its topic. */
  readonly heads: readonly { readonly issuer: string; readonly envelope: Uint8Array }[];
  readonly retained: ReadonlyMap<string, Uint8Array>;
}

/** Verifies a reply as a whole, as {@link CourierParts} says. Changes nothing. */
export async function openReply(parts: CourierParts, bytes: Uint8Array): Promise<OpenedReply> {
  const file = decodeCourierFile(bytes, maxCourierBytes.reply);
  const record = await recordOf(parts, file);
  const { bundle, trust } = walkOf(parts, file);
  const message = openControllerMessage(file.manifest, { bundle, recipient: parts.device });
  const { body } = message;
  if (body.type !== "courier-reply") throw malformed(`a ${body.type} in the place of the manifest`);
  if (!isExactEnvelope(file.manifest)) throw malformed("the manifest holds octets that belong to nothing");
  requireCourierParts(file.parts, body.parts);
  if (Buffer.from(body.nonce).toString("hex") !== record.nonce || body.generation !== record.generation) {
    throw new FleetError("message-replayed", "the reply does not carry the nonce of the export it names");
  }
  await requireTimely(parts, record, message);
  const answers = downPartsOf(file).map(({ payload }) => answerOf(payload, { parts, bundle, record }));
  return {
    ...{ record, message, trust, answers },
    certificates: await certificatesOf(parts, bundle, answers),
    desired: desiredOf(parts, bundle, file),
    heads: headsOf(file, bundle),
    retained: new Map(file.parts.map(({ topic, payload }) => [formatTopic(topic), payload])),
  };
}

/** The export that a reply answers. Which it is stands in the manifest, believed only once its signature is verified. */
async function recordOf({ state, device, fleet }: CourierParts, { manifest }: CourierFile): Promise<ExportRecord> {
  const envelope = manifest;
  const inReplyTo = requireOwn(() => readAddressed(envelope, { fleet, recipient: device }), device);
  const records = await readExports(state);
  const record = records.find(({ id }) => id === inReplyTo);
  if (record === undefined) {
    throw new FleetError(
      "bundle-stale",
      "the reply answers a bundle this device does not remember: newer ones were exported",
      {
        hint: "export a new bundle",
      },
    );
  }
  if (record.importedAt === undefined) return record;
  throw new FleetError(
    "message-replayed",
    `the reply to bundle ${record.generation}.${record.counter} was imported on ${new Date(record.importedAt).toISOString()}`,
    { hint: "there is nothing left to do with this file" },
  );
}

function requireOwn(read: () => Message, device: string): string | undefined {
  try {
    return read().inReplyTo;
  } catch (cause) {
    if (!(cause instanceof FleetError) || cause.code !== "message-invalid") throw cause;
    throw new FleetError("bundle-foreign", `the bundle is no reply for ${device}: ${cause.message}`, {
      cause,
      hint: "look for the file that was made for this device",
    });
  }
}

/** From the bundle in force, or the root that the claim pins, to the newest of the reply; each step is verified by the one before. */
function walkOf(
  { trust, fleet, rootSha256 }: CourierParts,
  { parts }: CourierFile,
): { bundle: TrustBundle; trust: readonly Uint8Array[] } {
  const current = trust.current();
  const versions = parts.filter(({ topic }) => topic.type === "trust-version").map(({ payload }) => payload);
  const start = current === undefined ? { rootSha256, fleet } : { bundle: current };
  const { bundle, accepted } = walkTrust(versions, start);
  return { bundle, trust: accepted };
}

/**
 * Too late is what is signed to end before a time that is certain: the floor, or what a token vouched for. A wall clock alone
 * refuses nothing, it may be years wrong. And a reply to an export from before the last rotation has been overtaken.
 */
async function requireTimely(parts: CourierParts, record: ExportRecord, { expiresAt }: Message): Promise<void> {
  const { at, status } = parts.time.estimate();
  const certain = status === "anchored" ? at : parts.time.floor();
  if (certain > expiresAt) {
    throw new FleetError("message-expired", `the reply was good until ${new Date(expiresAt).toISOString()}`, {
      hint: "export a new bundle",
    });
  }
  const { current } = await parts.identity();
  if (current.generation === record.generation) return;
  throw new FleetError(
    "bundle-stale",
    `the reply is for generation ${record.generation}, the device has gone on to ${current.generation}`,
    { hint: "export a new bundle" },
  );
}

function answerOf(
  payload: Uint8Array,
  {
    parts,
    bundle,
    record,
  }: { readonly parts: CourierParts; readonly bundle: TrustBundle; readonly record: ExportRecord },
): OpenedReply["answers"][number] {
  const message = openControllerMessage(payload, { bundle, recipient: parts.device });
  const to = record.messages.find(({ id }) => id === message.inReplyTo);
  if (to === undefined) throw new FleetError("message-replayed", `a ${message.kind} answers nothing of that export`);
  const { body } = message;
  if (body.type === "time-token" && Buffer.from(body.nonce).toString("hex") !== to.id) {
    throw new FleetError("message-replayed", "the time token does not carry the nonce that was sent");
  }
  return { to, message };
}

async function certificatesOf(
  { slots }: CourierParts,
  bundle: TrustBundle,
  answers: OpenedReply["answers"],
): Promise<CarriedCertificate[]> {
  const certificates: CarriedCertificate[] = [];
  for (const { to, message } of answers) {
    const { body, sentAt: at } = message;
    if (body.type !== "issued") continue;
    const slot = slots.find(
      (one) => one.slot === body.slot && to.slot === body.slot && to.generation === body.generation,
    );
    if (slot === undefined) throw new FleetError("issued-mismatch", `a certificate for ${body.slot} was not asked for`);
    const issued = await slot.check(body, { bundle, at });
    if (issued !== undefined) certificates.push({ slot, generation: body.generation, issued, at });
  }
  return certificates;
}

function desiredOf({ device }: CourierParts, bundle: TrustBundle, { parts }: CourierFile): OpenedReply["desired"] {
  const part = parts.find(({ topic }) => topic.type === "desired");
  if (part === undefined) return undefined;
  const { body } = openControllerMessage(part.payload, { bundle, recipient: device });
  if (body.type !== "desired") throw malformed(`a ${body.type} in the place of the desired state`);
  if (body.era > bundle.era) {
    throw new FleetError("signer-not-allowed", `desired state of era ${body.era} in era ${bundle.era}`);
  }
  return { body, envelope: part.payload };
}

function headsOf({ parts }: CourierFile, bundle: TrustBundle): OpenedReply["heads"] {
  return parts.flatMap(({ topic, payload }) => {
    if (topic.type !== "head") return [];
    openControllerMessage(payload, { bundle, recipient: "fleet" });
    return [{ issuer: topic.issuer, envelope: payload }];
  });
}

function downPartsOf({ parts }: CourierFile): CourierPart[] {
  return parts.filter(({ topic }) => topic.type === "down");
}

function malformed(message: string): FleetError {
  return new FleetError("message-invalid", `the bundle is malformed: ${message}`);
}
