import { randomBytes } from "node:crypto";
import type { Body, BodyOf, Message } from "@fleetcert/proto";
import { encodeCsr, type Signer, sha256 } from "@fleetcert/shared";

/** What a device of a test speaks with: its identity credential. */
export interface Speaker {
  readonly id: string;
  readonly key: Signer;
  readonly certificate: Uint8Array;
  readonly generation: number;
}

/** Asks for the first certificate of the identity. */
export async function enrolBody(
  { id, key }: Pick<Speaker, "id" | "key">,
  changes: Partial<BodyOf<"enrol">> = {},
): Promise<BodyOf<"enrol">> {
  return {
    type: "enrol",
    slot: "identity",
    generation: 1,
    csr: changes.csr ?? (await encodeCsr({ signer: key, commonName: id })),
    protection: "software",
    tokenSerial: "",
    agentVersion: "test",
    ...changes,
  };
}

/** Asks for the next certificate of the identity, with a new key. */
export async function renewBody(
  { id, certificate, generation }: Omit<Speaker, "key">,
  next: Signer,
  changes: Partial<BodyOf<"renew">> = {},
): Promise<BodyOf<"renew">> {
  return {
    type: "renew",
    slot: "identity",
    generation: generation + 1,
    csr: changes.csr ?? (await encodeCsr({ signer: next, commonName: id })),
    previousCertificateSha256: sha256(certificate),
    protection: "software",
    tokenSerial: "",
    ...changes,
  };
}

/** Says that the certificate in hand was used. */
export function activatedBody({ certificate, generation }: Omit<Speaker, "id" | "key">): BodyOf<"activated"> {
  return { type: "activated", slot: "identity", generation, certificateSha256: sha256(certificate) };
}

/** When a message is made and which of its stream it is, and whatever it says otherwise than an honest one of the fleet `demo`. */
export interface Saying extends Partial<Message> {
  readonly at: number;
  readonly counter: number;
}

/** A message of a device to its controller, on the stream `mqtt`, that lives five minutes. */
export function messageOf(
  { id, generation }: Pick<Speaker, "id" | "generation">,
  body: Body,
  { at, counter, ...changes }: Saying,
): Omit<Message, "kind"> {
  return {
    fleet: "demo",
    direction: "device-to-controller",
    sender: id,
    recipient: "controller",
    messageId: randomBytes(16).toString("hex"),
    inReplyTo: undefined,
    sentAt: at,
    expiresAt: at + 300_000,
    sequence: { generation, stream: "mqtt", counter },
    traceparent: undefined,
    body,
    ...changes,
  };
}
