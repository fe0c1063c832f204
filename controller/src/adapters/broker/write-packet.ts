/** Return codes of CONNACK (MQTT 3.1.1 §3.2.2.3). */
export const connackCodes = {
  accepted: 0,
  unacceptableVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  notAuthorized: 5,
} as const;

/** One of {@link connackCodes}. */
export type ConnackCode = (typeof connackCodes)[keyof typeof connackCodes];

/** A refusing CONNACK; it never has the session-present flag. */
export function writeConnack(code: ConnackCode): Uint8Array {
  return Uint8Array.of(0x20, 2, 0, code);
}

/** The refusal an MQTT 5 client understands: "unsupported protocol version" in its own format (MQTT 5 §3.2). */
export function writeConnackOfVersion5(): Uint8Array {
  return Uint8Array.of(0x20, 3, 0, 0x84, 0);
}

/** CONNECT of level 4 without credentials and will; `keepAlive` in seconds. */
export function writeConnect(connect: {
  readonly clientId: string;
  readonly clean: boolean;
  readonly keepAlive: number;
}): Uint8Array {
  const flags = connect.clean ? 2 : 0;
  const fixed = Uint8Array.of(...text("MQTT"), 4, flags, connect.keepAlive >> 8, connect.keepAlive & 0xff);
  return packet(0x10, fixed, text(connect.clientId));
}

/** PUBLISH without payload, of QoS 1 when there is a packet id and else of QoS 0. */
export function writeEmptyPublish(topic: string, packetId: number | undefined): Uint8Array {
  if (packetId === undefined) return packet(0x30, text(topic));
  return packet(0x32, text(topic), Uint8Array.of(packetId >> 8, packetId & 0xff));
}

/** Bodies stay below 128 octets: client ids and our own topics are short. */
function packet(header: number, ...fields: readonly Uint8Array[]): Uint8Array {
  const body = fields.flatMap((field) => [...field]);
  return Uint8Array.of(header, body.length, ...body);
}

function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return Uint8Array.of(bytes.length >> 8, bytes.length & 0xff, ...bytes);
}
