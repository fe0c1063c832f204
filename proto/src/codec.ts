import { FleetError } from "@fleetcert/shared";
import { bodyCodecs, decodeBody, encodeBody } from "./bodies.ts";
import { check } from "./checks.ts";
import { fleetcert } from "./generated/v1.js";
import { type Direction, type Message, type MessageKind, type Sequence, type Stream, wireVersion } from "./message.ts";

/** Encodes a message into the payload of an envelope. The kind follows from the body. */
export function encodeMessage(message: Omit<Message, "kind">): Uint8Array {
  return fleetcert.v1.Message.encode({
    version: wireVersion,
    fleet: message.fleet,
    direction: directionToWire[message.direction],
    kind: kindOf(message.body.type),
    sender: message.sender,
    recipient: message.recipient,
    messageId: Buffer.from(message.messageId, "hex"),
    inReplyTo: Buffer.from(message.inReplyTo ?? "", "hex"),
    sentAt: message.sentAt,
    expiresAt: message.expiresAt,
    ...(message.sequence && { sequence: { ...message.sequence, stream: streamToWire[message.sequence.stream] } }),
    traceparent: message.traceparent ?? "",
    ...encodeBody(message.body),
  }).finish();
}

/**
 * Decodes the payload of an envelope and checks every field for shape and size.
 * Throws `message-invalid`, or `version-unsupported` for another wire version or an unknown body.
 */
export function decodeMessage(payload: Uint8Array): Message {
  let wire: fleetcert.v1.Message;
  try {
    wire = fleetcert.v1.Message.decode(payload) as unknown as fleetcert.v1.Message;
  } catch (cause) {
    throw new FleetError("message-invalid", "the payload is not a message", { cause });
  }
  if (wire.version !== wireVersion) {
    throw new FleetError("version-unsupported", `message has version ${wire.version}, this side speaks ${wireVersion}`);
  }
  const body = decodeBody(wire);
  const kind = kindOf(body.type);
  if (wire.kind !== kind) {
    throw new FleetError("message-invalid", `kind does not fit the body, which is a ${kind}`);
  }
  return {
    fleet: check.text(wire.fleet, "fleet", 64),
    direction: directionFromWire(wire.direction),
    kind,
    sender: check.party(wire.sender, "sender"),
    recipient: check.party(wire.recipient, "recipient"),
    messageId: id(wire.messageId, "message id"),
    inReplyTo: wire.inReplyTo.length === 0 ? undefined : id(wire.inReplyTo, "in reply to"),
    sentAt: check.uint(wire.sentAt, "sent at"),
    expiresAt: check.uint(wire.expiresAt, "expires at"),
    sequence: sequenceFromWire(wire.sequence),
    traceparent: wire.traceparent === "" ? undefined : check.text(wire.traceparent, "traceparent", 64),
    body,
  };
}

/** The kind a body of this type travels as. */
export function kindOf(type: Message["body"]["type"]): MessageKind {
  return bodyCodecs[type].kind;
}

function id(value: Uint8Array, field: string): string {
  return Buffer.from(check.bytes(value, field, 16, 16)).toString("hex");
}

function directionFromWire(value: unknown): Direction {
  const found = Object.entries(directionToWire).find(([, wire]) => wire === value);
  if (found === undefined) throw new FleetError("message-invalid", "direction is not a known one");
  return found[0] as Direction;
}

function sequenceFromWire(wire: fleetcert.v1.Sequence.$Properties | null | undefined): Sequence | undefined {
  if (!wire) return undefined;
  const found = Object.entries(streamToWire).find(([, value]) => value === wire.stream);
  if (found === undefined) throw new FleetError("message-invalid", "stream is not a known one");
  return {
    generation: check.uint(wire.generation, "sequence generation", 0xffff_ffff),
    stream: found[0] as Stream,
    counter: check.uint(wire.counter, "sequence counter"),
  };
}

const directionToWire: Readonly<Record<Direction, number>> = {
  "device-to-controller": fleetcert.v1.Direction.DEVICE_TO_CONTROLLER,
  "controller-to-device": fleetcert.v1.Direction.CONTROLLER_TO_DEVICE,
  "controller-to-fleet": fleetcert.v1.Direction.CONTROLLER_TO_FLEET,
};

const streamToWire: Readonly<Record<Stream, number>> = {
  mqtt: fleetcert.v1.Stream.MQTT,
  courier: fleetcert.v1.Stream.COURIER,
};
