import { randomBytes } from "node:crypto";
import {
  type Body,
  type CourierPart,
  courierPartHashes,
  decodeCourierFile,
  decodeEnvelope,
  decodeMessage,
  encodeCourierFile,
  encodeMessage,
  kindOf,
  type Message,
  maxCourierBytes,
  payloadTypes,
  signEnvelope,
  type UpKind,
} from "@fleetcert/proto";
import type { Signer } from "@fleetcert/shared";
import { messageOf } from "./device-messages.ts";

/** What signs for a device that packs bundles; as much of it as a test has. */
export interface Packer {
  readonly id: string;
  readonly key: Signer;
  readonly generation: number;
}

/** Packs bundles as a device does, or as one that means harm would. */
export class BundlePacker {
  counter = 0;
  readonly #packer: Packer;

  constructor(packer: Packer) {
    this.#packer = packer;
  }

  /** One signed part, numbered next. */
  async part(body: Body, changes: Partial<Message> = {}, ...signers: Signer[]): Promise<CourierPart> {
    const { id, key } = this.#packer;
    const payload = await signEnvelope(
      payloadTypes.message,
      encodeMessage(this.#message(body, changes)),
      ...(signers.length > 0 ? signers : [key]),
    );
    return { topic: { type: "up", device: changes.sender ?? id, kind: kindOf(body.type) as UpKind }, payload };
  }

  /** A bundle of bodies; the manifest is numbered before them. */
  async pack(bodies: readonly Body[], ...signers: Signer[]): Promise<Uint8Array> {
    this.counter += 1;
    const { counter } = this;
    const parts: CourierPart[] = [];
    for (const body of bodies) parts.push(await this.part(body, {}, ...signers));
    return await this.seal(parts, counter, {}, ...signers);
  }

  /** A bundle of parts made before, whose manifest has the counter. */
  async seal(
    parts: readonly CourierPart[],
    counter: number,
    changes: Partial<Message> = {},
    ...signers: Signer[]
  ): Promise<Uint8Array> {
    const body: Body = {
      type: "courier-request",
      nonce: randomBytes(32),
      wantsLists: true,
      parts: courierPartHashes(parts),
    };
    const { generation } = this.#packer;
    const sequence = { generation, stream: "courier" as const, counter };
    const manifest = await this.part(body, { sequence, ...changes }, ...signers);
    return encodeCourierFile({ manifest: manifest.payload, parts });
  }

  #message(body: Body, changes: Partial<Message>): Omit<Message, "kind"> {
    const { generation } = this.#packer;
    if (changes.sequence === undefined) this.counter += 1;
    const { counter } = this;
    const sequence = { generation, stream: "courier" as const, counter };
    return messageOf(this.#packer, body, { at: 0, counter, expiresAt: 0, sequence, ...changes });
  }
}

/** The answers in a reply, decoded and not verified. */
export function answersIn(reply: Uint8Array): Body[] {
  return decodeCourierFile(reply, maxCourierBytes.reply)
    .parts.filter(({ topic }) => topic.type === "down")
    .map(({ payload }) => decodeMessage(decodeEnvelope(payload).payload).body);
}
