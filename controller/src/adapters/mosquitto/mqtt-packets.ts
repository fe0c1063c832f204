import { FleetError } from "@fleetcert/shared";

/** The packets of a broker that are looked at. */
export type BrokerPacket =
  | { readonly type: "connack"; readonly code: number }
  | { readonly type: "publish"; readonly topic: string }
  | { readonly type: "pingresp" };

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

/** SUBSCRIBE of QoS 0 (§3.8). */
export const subscribePacket = (filter: string): Uint8Array =>
  packet(0x82, Uint8Array.of(0, 1), text(filter), Uint8Array.of(0));

/** PUBLISH of QoS 0 with one octet (§3.3). */
export const publishPacket = (topic: string): Uint8Array => packet(0x30, text(topic), Uint8Array.of(0));

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
      if (body.length < 2) throw new FleetError("message-invalid", "the broker sent a PUBLISH without a topic");
      return { type: "publish", topic: body.subarray(2, 2 + body.readUInt16BE(0)).toString("utf8") };
    case 13:
      return { type: "pingresp" };
    default:
      return undefined;
  }
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
  return Buffer.concat([Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}
