import { FleetError } from "@fleetcert/shared";

/** The packets of a broker that are looked at. */
export type BrokerPacket =
  | { readonly type: "connack"; readonly code: number }
  | ReceivedPublish
  | { readonly type: "puback"; readonly packetId: number }
  | { readonly type: "suback"; readonly packetId: number; readonly codes: readonly number[] }
  | { readonly type: "pingresp" };

/** A PUBLISH from the broker. */
export interface ReceivedPublish {
  readonly type: "publish";
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Undefined at QoS 0. */
  readonly packetId: number | undefined;
  /** It was there before the subscription. */
  readonly isRetained: boolean;
}

/** CONNECT with a clean session (MQTT 3.1.1 §3.1). */
export function connectPacket(
  clientId: string,
  login: { readonly username: string; readonly password: string } | undefined,
): Uint8Array {
  const flags = 2 | (login === undefined ? 0 : 0xc0);
  const head = Uint8Array.of(...text("MQTT"), 4, flags, 0, 60);
  return packet(
    0x10,
    head,
    text(clientId),
    ...(login === undefined ? [] : [text(login.username), text(login.password)]),
  );
}

/** SUBSCRIBE (§3.8). */
export const subscribePacket = (filter: string, { packetId = 1, qos = 0 } = {}): Uint8Array =>
  packet(0x82, number16(packetId), text(filter), Uint8Array.of(qos));

/** PUBLISH of QoS 0 with one octet (§3.3). */
export const publishPacket = (topic: string): Uint8Array => packet(0x30, text(topic), Uint8Array.of(0));

/** PUBLISH of QoS 1 (§3.3). */
export const confirmedPublishPacket = (message: {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly packetId: number;
}): Uint8Array =>
  packet(message.retain ? 0x33 : 0x32, text(message.topic), number16(message.packetId), message.payload);

/** PUBACK (§3.4). */
export const pubackPacket = (packetId: number): Uint8Array => packet(0x40, number16(packetId));

/** DISCONNECT (§3.14). */
export const disconnectPacket = Uint8Array.of(0xe0, 0);

/** PINGREQ (§3.12). */
export const pingPacket = Uint8Array.of(0xc0, 0);

/** A reader of a stream of packets; tells those of interest, in order. Throws `message-invalid` for what is no MQTT. */
export function packetsIn(tell: (packet: BrokerPacket) => void): (chunk: Uint8Array) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let found = split(rest); found !== undefined; found = split(rest)) {
      rest = rest.subarray(found.length);
      const known = read(found.header, found.body);
      if (known !== undefined) tell(known);
    }
  };
}

function split(bytes: Buffer): { readonly header: number; readonly body: Buffer; readonly length: number } | undefined {
  let length = 0;
  for (let at = 1; at <= 4; at++) {
    const digit = bytes[at];
    if (digit === undefined) return undefined;
    length += (digit & 0x7f) << (7 * (at - 1));
    if ((digit & 0x80) !== 0) continue;
    const end = at + 1 + length;
    if (length > maxPacketBytes)
      throw new FleetError("message-too-large", `the broker sent a packet of ${length} octets`);
    if (bytes.length < end) return undefined;
    return { header: bytes[0] ?? 0, body: bytes.subarray(at + 1, end), length: end };
  }
  throw new FleetError("message-invalid", "the broker does not speak MQTT");
}

function read(header: number, body: Buffer): BrokerPacket | undefined {
  switch (header >> 4) {
    case 2:
      return { type: "connack", code: body[1] ?? 255 };
    case 3:
      return readPublish(header, body);
    case 4:
      return { type: "puback", packetId: packetIdAt(body, 0) };
    case 9:
      return { type: "suback", packetId: packetIdAt(body, 0), codes: [...body.subarray(2)] };
    case 13:
      return { type: "pingresp" };
    default:
      return undefined;
  }
}

/** §3.3: topic, at QoS above 0 the packet id, payload. */
function readPublish(header: number, body: Buffer): ReceivedPublish {
  const length = packetIdAt(body, 0);
  const hasId = (header & 0x06) !== 0;
  const from = 2 + length + (hasId ? 2 : 0);
  if (body.length < from) throw new FleetError("message-invalid", "the broker sent a PUBLISH that ends in its topic");
  return {
    type: "publish",
    topic: body.subarray(2, 2 + length).toString("utf8"),
    payload: Uint8Array.from(body.subarray(from)),
    packetId: hasId ? packetIdAt(body, 2 + length) : undefined,
    isRetained: (header & 1) !== 0,
  };
}

function packetIdAt(body: Buffer, at: number): number {
  if (body.length < at + 2) throw new FleetError("message-invalid", "the broker sent a packet that is too short");
  return body.readUInt16BE(at);
}

function packet(header: number, ...fields: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(fields);
  const length: number[] = [];
  for (let left = body.length; left > 0 || length.length === 0; left >>= 7) {
    length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
  }
  return Buffer.concat([Uint8Array.of(header, ...length), body]);
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([number16(bytes.length), bytes]);
}

const number16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);

/** Envelopes end at 60 KiB, parts at 48; the rest is for topics and headers of packets we do not know. */
const maxPacketBytes = 256 * 1024;
