/** Builders of MQTT packets for tests, legal and illegal ones. */

/** What a CONNECT says; left out: level 4, clean session, keep-alive 60, no credentials. */
export interface ConnectWishes {
  readonly clientId: string;
  readonly protocol?: string;
  readonly level?: number;
  readonly clean?: boolean;
  readonly keepAlive?: number;
  readonly username?: string;
  readonly password?: string;
  readonly will?: { readonly topic: string; readonly message: string };
}

/** A CONNECT packet. */
export function connectPacket(wishes: ConnectWishes): Buffer {
  const { clientId, protocol = "MQTT", level = 4, clean = true, keepAlive = 60, username, password, will } = wishes;
  const flags =
    (clean ? 2 : 0) + (will ? 4 : 0) + (password === undefined ? 0 : 0x40) + (username === undefined ? 0 : 0x80);
  return packet(0x10, [
    text(protocol),
    Buffer.from([level, flags]),
    number16(keepAlive),
    text(clientId),
    ...(will ? [text(will.topic), text(will.message)] : []),
    ...[username, password].filter((value) => value !== undefined).map(text),
  ]);
}

/** A PUBLISH packet; QoS 1 when a packet id is given, else QoS 0, unless said otherwise. */
export function publishPacket(wishes: {
  readonly topic: string;
  readonly payload?: Uint8Array | string;
  readonly packetId?: number;
  readonly qos?: number;
  readonly retain?: boolean;
}): Buffer {
  const { topic, payload = "", packetId, qos = packetId === undefined ? 0 : 1, retain = false } = wishes;
  const id = packetId === undefined ? [] : [number16(packetId)];
  return packet(0x30 | (qos << 1) | (retain ? 1 : 0), [text(topic), ...id, Buffer.from(payload)]);
}

/** A SUBSCRIBE packet, QoS 1 for every filter. */
export function subscribePacket(packetId: number, ...filters: readonly string[]): Buffer {
  return packet(0x82, [number16(packetId), ...filters.flatMap((filter) => [text(filter), Buffer.from([1])])]);
}

/** An UNSUBSCRIBE packet. */
export function unsubscribePacket(packetId: number, ...filters: readonly string[]): Buffer {
  return packet(0xa2, [number16(packetId), ...filters.map(text)]);
}

/** A PUBACK packet. */
export const pubackPacket = (packetId: number): Buffer => packet(0x40, [number16(packetId)]);
/** A PINGREQ packet. */
export const pingPacket = Buffer.from([0xc0, 0]);
/** A DISCONNECT packet. */
export const disconnectPacket = Buffer.from([0xe0, 0]);

/** A packet of any first octet around any fields, with the right remaining length. */
export function packet(header: number, fields: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(fields);
  return Buffer.concat([Buffer.from([header]), remainingLength(body.length), body]);
}

/** A length in MQTT's own spelling, in five octets when four do not do. */
export function remainingLength(length: number): Buffer {
  const octets: number[] = [];
  let rest = length;
  do {
    octets.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(octets);
}

/** A number in two octets, big-endian. */
export const number16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);

/** A string with its length before it. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number16(bytes.length), bytes]);
}
