import { FleetError } from "@fleetcert/shared";
import { isTopicFilter, isTopicName, readMqttText } from "./mqtt-text.ts";
import type { Frame } from "./packet-splitter.ts";

/** Every packet a 3.1.1 client may send, taken apart. Packet ids are 1 to 65535; `keepAlive` is in seconds. */
export type ClientPacket =
  | Connect
  | { readonly type: "connect-unsupported"; readonly level: number }
  | Publish
  | { readonly type: "subscribe"; readonly packetId: number; readonly filters: readonly string[] }
  | { readonly type: "unsubscribe"; readonly packetId: number; readonly filters: readonly string[] }
  | { readonly type: "puback" | "pubrec" | "pubrel" | "pubcomp"; readonly packetId: number }
  | { readonly type: "pingreq" | "disconnect" };

/** CONNECT of protocol level 4. The client id may be empty. */
export interface Connect {
  readonly type: "connect";
  readonly clientId: string;
  readonly clean: boolean;
  readonly keepAlive: number;
  readonly hasWill: boolean;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
}

/** PUBLISH; a packet id is there exactly when the QoS is above 0. */
export interface Publish {
  readonly type: "publish";
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly packetId: number | undefined;
}

/**
 * Takes a packet apart, strictly: what MQTT 3.1.1 forbids, or lets a server refuse, is refused.
 *
 * @throws FleetError `message-invalid`
 */
export function readPacket({ header, body }: Frame): ClientPacket {
  const fields = new Fields(body);
  const packet = readBody(header, fields);
  fields.end();
  return packet;
}

function readBody(header: number, fields: Fields): ClientPacket {
  if (header >> 4 === 3) return readPublish(header, fields);
  switch (header) {
    case 0x10:
      return readConnect(fields);
    case 0x40:
      return { type: "puback", packetId: fields.packetId() };
    case 0x50:
      return { type: "pubrec", packetId: fields.packetId() };
    case 0x62:
      return { type: "pubrel", packetId: fields.packetId() };
    case 0x70:
      return { type: "pubcomp", packetId: fields.packetId() };
    case 0x82:
      return { type: "subscribe", packetId: fields.packetId(), filters: readFilters(fields, readRequestedQos) };
    case 0xa2:
      return { type: "unsubscribe", packetId: fields.packetId(), filters: readFilters(fields, () => undefined) };
    case 0xc0:
      return { type: "pingreq" };
    case 0xe0:
      return { type: "disconnect" };
    default:
      throw invalid("packet type or flags are not a client's");
  }
}

// MQTT 3.1.1 §3.1
function readConnect(fields: Fields): ClientPacket {
  const protocol = fields.text("protocol name");
  if (protocol !== "MQTT" && protocol !== "MQIsdp") throw invalid("CONNECT names no MQTT protocol");
  const level = fields.octet();
  if (protocol !== "MQTT" || level !== 4) {
    fields.rest();
    return { type: "connect-unsupported", level };
  }
  const flags = readConnectFlags(fields.octet());
  const keepAlive = fields.number16();
  const clientId = fields.text("client id");
  if (flags.will) readWill(fields);
  const username = flags.username ? fields.text("user name") : undefined;
  const password = flags.password ? fields.binary() : undefined;
  return { type: "connect", clientId, clean: flags.clean, keepAlive, hasWill: flags.will, username, password };
}

interface ConnectFlags {
  readonly clean: boolean;
  readonly will: boolean;
  readonly username: boolean;
  readonly password: boolean;
}

function readConnectFlags(octet: number): ConnectFlags {
  const bit = (at: number): boolean => (octet & (1 << at)) !== 0;
  const flags = { clean: bit(1), will: bit(2), username: bit(7), password: bit(6) };
  const willQos = (octet >> 3) & 3;
  if (bit(0)) throw invalid("reserved CONNECT flag is set"); // MQTT-3.1.2-3
  if (willQos === 3 || (!flags.will && (willQos !== 0 || bit(5)))) throw invalid("will flags contradict each other");
  if (flags.password && !flags.username) throw invalid("password without user name"); // MQTT-3.1.2-22
  return flags;
}

function readWill(fields: Fields): void {
  if (!isTopicName(fields.text("will topic"))) throw invalid("will topic is no topic name");
  fields.binary();
}

// MQTT 3.1.1 §3.3
function readPublish(header: number, fields: Fields): Publish {
  const qos = (header >> 1) & 3;
  if (qos === 3) throw invalid("QoS 3");
  if (qos === 0 && (header & 8) !== 0) throw invalid("duplicate flag with QoS 0"); // MQTT-3.3.1-2
  const topic = fields.text("topic");
  if (!isTopicName(topic)) throw invalid("PUBLISH names no topic");
  const packetId = qos === 0 ? undefined : fields.packetId();
  return {
    type: "publish",
    topic,
    payload: fields.rest(),
    qos: qos as 0 | 1 | 2,
    retain: (header & 1) !== 0,
    packetId,
  };
}

// MQTT 3.1.1 §3.8.3, §3.10.3
function readFilters(fields: Fields, readOptions: (fields: Fields) => void): string[] {
  const filters: string[] = [];
  do {
    const filter = fields.text("topic filter");
    if (!isTopicFilter(filter)) throw invalid("topic filter is malformed");
    if (filters.push(filter) > maxFilters) throw invalid(`more than ${maxFilters} topic filters in one packet`);
    readOptions(fields);
  } while (!fields.atEnd);
  return filters;
}

function readRequestedQos(fields: Fields): void {
  if (fields.octet() > 2) throw invalid("requested QoS is above 2"); // MQTT-3-8.3-4
}

/** Reads the fields of one body in order; every read past its end is an error. */
class Fields {
  readonly #body: Uint8Array;
  #at = 0;

  constructor(body: Uint8Array) {
    this.#body = body;
  }

  get atEnd(): boolean {
    return this.#at === this.#body.length;
  }

  octet(): number {
    return this.#take(1)[0] ?? 0;
  }

  number16(): number {
    const [high = 0, low = 0] = this.#take(2);
    return high * 256 + low;
  }

  packetId(): number {
    const id = this.number16();
    if (id === 0) throw invalid("packet id is 0"); // MQTT-2.3.1-1
    return id;
  }

  binary(): Uint8Array {
    return this.#take(this.number16());
  }

  text(what: string): string {
    const text = readMqttText(this.binary());
    if (text === undefined) throw invalid(`${what} is not clean UTF-8`);
    return text;
  }

  rest(): Uint8Array {
    return this.#take(this.#body.length - this.#at);
  }

  end(): void {
    if (!this.atEnd) throw invalid(`${this.#body.length - this.#at} octets after the end of the packet's fields`);
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#body.length) throw invalid("packet ends inside a field");
    const taken = this.#body.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

/** As many as a client may have subscriptions; a list of revocation parts comes in one packet. */
const maxFilters = 256;
const invalid = (what: string): FleetError => new FleetError("message-invalid", `MQTT: ${what}`);
