import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { operationalRules, type SessionRules } from "../../controller/src/adapters/broker/session-rules.ts";
import type { BrokerEvents } from "../../controller/src/ports.ts";
import { type InMemoryBroker, inMemoryBroker } from "../support/broker/in-memory-broker.ts";
import type { RawMqttClient } from "../support/broker/mqtt-client.ts";
import { pingPacket, remainingLength } from "../support/broker/mqtt-packets.ts";
import { VectorTally, vectorSuite } from "./vector-suite.ts";

/** One file of packet sequences. */
interface Group {
  readonly group: string;
  readonly ver?: number;
  readonly connect?: boolean;
  readonly tests: readonly Sequence[];
}

interface Sequence {
  readonly name: string;
  readonly ver?: number;
  readonly connect?: boolean;
  /** Whether the broker has to end the connection; it has to unless said otherwise. */
  readonly expect_disconnect?: boolean;
  readonly msgs: readonly Step[];
}

/** What the client sends, what it may expect (not compared), or a message another client publishes meanwhile. */
interface Step {
  readonly type: string;
  readonly payload: string;
  readonly topic?: string;
  readonly qos?: number;
}

vectorSuite({ name: "MQTT packets", source: "mqtt-packets", count: 314 }, (folder) => {
  const sequences = readSequences(folder);
  const spoken = sequences.filter(({ version }) => version !== 5);

  it("reads every sequence for MQTT 3.x", () => {
    expect(spoken).toHaveLength(314);
  });

  it("accepts no illegal packet as the listener is, where next to nothing is allowed", async () => {
    const tally = await judgeAll("as it is", sequences, operationalRules);
    expect(tally.falseAccepts).toEqual([]);
  });

  it("accepts no illegal packet where every topic is allowed, and most legal ones", async () => {
    const tally = await judgeAll("every topic allowed", sequences, everyTopicAllowed);
    expect(tally.falseAccepts).toEqual([]);
    expect(tally.falseRejects.filter((id) => !isRefusedByDesign(id))).toEqual([]);
  });
});

/** The rules of the operational listener, but for topics: so that a packet is refused for what it is. */
function everyTopicAllowed(events: BrokerEvents): SessionRules {
  return { ...operationalRules(events), mayPublish: () => true, maySubscribe: () => true };
}

interface Numbered extends Sequence {
  readonly id: string;
  readonly version: number;
  readonly connects: boolean;
}

function readSequences(folder: string): Numbered[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return files.flatMap((file) => {
    const groups: Group[] = JSON.parse(readFileSync(join(folder, file), "utf8"));
    return groups.flatMap(({ group, ver, connect, tests }) =>
      tests.map((test, at) => ({
        ...test,
        id: `${group.replace(/\s+/g, " ")} #${at} ${test.name}`,
        version: test.ver ?? ver ?? 4,
        connects: test.connect ?? connect ?? true,
      })),
    );
  });
}

async function judgeAll(
  what: string,
  sequences: readonly Numbered[],
  rules: (events: BrokerEvents) => SessionRules,
): Promise<VectorTally> {
  const tally = new VectorTally();
  const broker = await inMemoryBroker({ rules });
  for (const sequence of sequences) {
    if (sequence.version === 5) tally.skip("for MQTT 5, which is not spoken");
    else if (sequence.msgs.length === 0) tally.skip("without a packet");
    else if (sequence.msgs.some(({ qos }) => qos === 2)) tally.skip("in which another client publishes with QoS 2");
    else {
      const isValid = sequence.expect_disconnect === false || endsByItself(sequence);
      tally.judge(sequence.id, { isValid, why: await verdict(broker, sequence) });
    }
  }
  await broker.close();
  tally.print(`MQTT packets, ${what}`);
  return tally;
}

/** Undefined when the broker took the whole sequence and lives on with the client; else how it refused. */
async function verdict(broker: InMemoryBroker, sequence: Numbered): Promise<string | undefined> {
  const before = broker.log.lines.length;
  const client = broker.client();
  try {
    if (sequence.connects && (await client.connect({ clientId: "vector" })) !== 0) return "no CONNACK";
    for (const step of sequence.msgs) await take(step, client, broker);
    return (await isAlive(client, sequence)) ? undefined : (broker.log.lines[before] ?? "closed");
  } finally {
    client.stream.destroy();
    await client.closed;
  }
}

async function take({ type, payload, topic = "" }: Step, client: RawMqttClient, broker: InMemoryBroker): Promise<void> {
  if (type === "send") client.send(bytesOf(payload));
  if (type !== "external_publish") return;
  // What was sent before is answered before this is published.
  await client.nextOf(0x90);
  await broker.hub.publish({ topic, payload: Buffer.from(payload), retain: false });
}

/** A broker that has taken everything answers a ping; one that waits for more of a packet does not. */
async function isAlive(client: RawMqttClient, sequence: Numbered): Promise<boolean> {
  if (endsByItself(sequence)) {
    await client.closed;
    return true;
  }
  client.send(pingPacket);
  const silence = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), silenceMs));
  return (await Promise.race([client.nextOf(0xd0), silence])) !== undefined;
}

/** A legal DISCONNECT: the connection ends, as it should. */
const endsByItself = ({ msgs, connects }: Numbered): boolean => connects && msgs.at(-1)?.payload === "E0 r0";

/**
 * The notation of the files: hex octets; `rN` a remaining length, `sN` the length of a string, `kN` a keep-alive, `mN` a
 * packet id; text in quotes.
 */
function bytesOf(payload: string): Buffer {
  const parts = payload.match(/'[^']*'|[rskm]\d+|[0-9A-Fa-f]+/g) ?? [];
  return Buffer.concat(
    parts.map((part) => {
      if (part.startsWith("'")) return Buffer.from(part.slice(1, -1));
      const number = Number(part.slice(1));
      if (part.startsWith("r")) return remainingLength(number);
      if (/^[skm]/.test(part)) return Buffer.from([number >> 8, number & 0xff]);
      return Buffer.from(part, "hex");
    }),
  );
}

/** What MQTT allows and this broker does not, by design. */
function isRefusedByDesign(falseReject: string): boolean {
  return [
    /^v3\.1 /, // only 3.1.1 is spoken
    /wills are not allowed/,
    /client id is malformed/,
    /may not retain/,
    /QoS 2 is not spoken/,
  ].some((reason) => reason.test(falseReject));
}

/** Longer than an in-memory answer can take. */
const silenceMs = 300;
