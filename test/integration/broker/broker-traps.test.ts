import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inMemoryBroker } from "../../support/broker/in-memory-broker.ts";
import { pingPacket, publishPacket, subscribePacket } from "../../support/broker/mqtt-packets.ts";
import { type TlsBroker, tlsBroker } from "../../support/broker/tls-broker.ts";
import { type ClientMaterial, type TlsMaterial, tlsMaterial } from "../../support/pki/tls-material.ts";
import { until } from "../../support/until.ts";

const trust = "fleetcert/1/fleet/trust";
let material: TlsMaterial;
let pumpA: ClientMaterial;
let pumpB: ClientMaterial;
let broker: TlsBroker;

beforeAll(async () => {
  material = await tlsMaterial();
  pumpA = await material.issueClient("pump-a");
  pumpB = await material.issueClient("pump-b");
  broker = await tlsBroker(material, { limits: { outgoingBytes: 1024 * 1024 } });
});

afterAll(() => broker.close());

describe("trap 1: a queue of messages nobody listens to ends aedes in uncaught recursion", () => {
  it("takes 20,000 messages at once without subscribers and with one, bounded in octets", async () => {
    const plain = await inMemoryBroker({ limits: { publishingBytes: 20_000 * 100 } });
    const client = await plain.connected("pump-1");
    const messages = Array.from({ length: 20_000 }, (_, at) => ({ at, payload: Buffer.alloc(100, at) }));
    const publishAll = (topic: string): Promise<void>[] =>
      messages.map(({ payload }) => plain.hub.publish({ topic, payload, retain: false }));
    const alone = publishAll("fleetcert/1/device/pump-9/down/received");
    await expect(plain.hub.publish({ topic: trust, payload: Buffer.from("x"), retain: false })).rejects.toMatchObject({
      code: "rate-limited",
    });
    await Promise.all(alone);
    client.send(subscribePacket(1, trust));
    await client.nextOf(0x90);
    const sent = Promise.all(publishAll(trust));
    for (const { payload } of messages) expect((await client.nextMessage())?.payload[0]).toBe(payload[0]);
    await sent;
    await plain.close();
  });
});

describe("trap 2: one subscriber that stops reading stalls everybody", () => {
  it("is dropped at its bound of waiting octets while the others get everything at once", async () => {
    const slow = await broker.dial("operational", pumpA.tls);
    await slow.connect({ clientId: "pump-a" });
    const quick = await broker.dial("operational", pumpB.tls);
    await quick.connect({ clientId: "pump-b" });
    for (const client of [slow, quick]) {
      client.send(subscribePacket(1, trust));
      await client.nextOf(0x90);
    }
    slow.stream.pause();
    const payload = Buffer.alloc(60 * 1024, 7);
    let sent = 0;
    let longest = 0;
    while (!broker.log.lines.some((line) => line.startsWith("client dropped: it does not read"))) {
      const before = performance.now();
      await broker.publish({ topic: trust, payload, retain: false });
      expect((await quick.nextMessage())?.payload.length).toBe(payload.length);
      longest = Math.max(longest, performance.now() - before);
      expect(++sent).toBeLessThan(500);
    }
    // Aedes alone waits for its drain timeout of 5 s, every time.
    expect(longest).toBeLessThan(2_000);
    await until(() => broker.events.presence.includes("-pump-a"));
    quick.send(pingPacket);
    expect(await quick.nextOf(0xd0)).toBeDefined();
    slow.stream.destroy();
    quick.stream.destroy();
  });

  it("is dropped too when it only asks and never reads the answers", async () => {
    const plain = await inMemoryBroker({ limits: { outgoingBytes: 64 * 1024 } });
    const client = await plain.connected("pump-1");
    client.stream.pause();
    // The first 64 KiB fit into the pair of streams itself.
    const pings = Array.from({ length: 100 }, () => pingPacket);
    for (let round = 0; round < 1_000 && plain.log.lines.length === 0; round++) {
      client.send(...pings);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(plain.log.lines).toEqual(["client dropped: it does not read: "]);
    await plain.close();
  });
});

describe("a client that subscribes again and again without reading", () => {
  it("is dropped, and what it asked for is not piled up", async () => {
    const plain = await inMemoryBroker();
    await plain.hub.publish({ topic: trust, payload: Buffer.alloc(250 * 1024), retain: true });
    const client = await plain.connected("pump-1");
    client.stream.pause();
    for (let round = 1; round < 500 && plain.log.lines.length === 0; round++) {
      client.send(subscribePacket(round, trust));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(plain.log.lines).toEqual(["client dropped: it does not read: "]);
    await plain.close();
  });
});

describe("trap 3: a packet of any size is read before authentication", () => {
  it.each([
    ["a CONNECT of 200 MiB", Buffer.from([0x10, 0x80, 0x80, 0x80, 0x64])],
    ["a CONNECT of 4,097 octets", Buffer.from([0x10, 0x81, 0x20])],
    ["a PUBLISH", publishPacket({ topic: "a", payload: "b" })],
    ["HTTP", Buffer.from("POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n")],
  ])("closes an anonymous socket at the first octets of %s", async (_what, head) => {
    const client = await broker.dial("bootstrap");
    client.send(head);
    await client.closed;
    expect(client.stream.bytesRead).toBeLessThan(8 * 1024);
    expect(broker.events.seen.filter((seen) => seen === "")).toEqual([]);
  });

  it("closes a client above 256 KiB, and takes what is just below", async () => {
    const topic = "fleetcert/1/device/pump-a/up/report";
    const fits = publishPacket({ topic, packetId: 1, payload: Buffer.alloc(256 * 1024 - topic.length - 4) });
    const client = await broker.dial("operational", pumpA.tls);
    await client.connect({ clientId: "pump-a" });
    client.send(fits);
    expect(await client.nextOf(0x40)).toBeDefined();
    client.send(publishPacket({ topic, packetId: 2, payload: Buffer.alloc(256 * 1024 - topic.length - 3) }));
    expect(await client.nextOf(0x40)).toBeUndefined();
  });
});

describe("trap 4: illegal client ids, topics and packet ids are accepted", () => {
  it.each(["", "Pump", "pump 1", "../pump", "pump-1\u0000", "pump/1", "#", "a".repeat(65)])(
    "refuses the client id %j",
    async (clientId) => {
      const client = await broker.dial("operational", pumpA.tls);
      expect(await client.connect({ clientId })).not.toBe(0);
    },
  );

  it.each([
    ["a wildcard in a topic", publishPacket({ topic: "fleetcert/1/device/+/up/report", packetId: 1 })],
    ["packet id 0", publishPacket({ topic: "fleetcert/1/device/pump-a/up/report", packetId: 0 })],
    ["a control character in a topic", publishPacket({ topic: "fleetcert/1/device/pump-a/up/report\u0001" })],
    ["SUBSCRIBE with packet id 0", subscribePacket(0, trust)],
  ])("drops a client that sends %s", async (_what, bytes) => {
    const client = await broker.dial("operational", pumpA.tls);
    expect(await client.connect({ clientId: "pump-a" })).toBe(0);
    client.send(bytes);
    expect(await client.next()).toBeUndefined();
  });
});

describe("trap 5: whoever names a client id takes its session over", () => {
  it("refuses a client id that is not the identity's, and the session stays", async () => {
    const bound = await tlsBroker(material, {
      answers: {
        authenticateOperational: async ({ chain }) => ({
          type: "operational",
          device: Buffer.from(chain[0] ?? []).equals(pumpA.der) ? "pump-a" : "pump-b",
          certificateSha256: "",
        }),
      },
    });
    const victim = await bound.dial("operational", pumpA.tls);
    expect(await victim.connect({ clientId: "pump-a" })).toBe(0);
    const thief = await bound.dial("operational", pumpB.tls);
    expect(await thief.connect({ clientId: "pump-a" })).toBe(2);
    victim.send(pingPacket);
    expect(await victim.nextOf(0xd0)).toBeDefined();
    await bound.close();
  });
});

describe("trap 9: a resumed TLS session keeps the identity it was made with", () => {
  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "gives a client that offers an old session a full handshake (%s)",
    async (version) => {
      const fresh = await tlsBroker(material);
      const versions = { minVersion: version, maxVersion: version };
      const first = await fresh.dial("operational", { ...pumpA.tls, ...versions });
      const tickets: Buffer[] = [];
      first.stream.on("session", (session: Buffer) => tickets.push(session));
      expect(await first.connect({ clientId: "pump-1" })).toBe(0);
      first.send(pingPacket);
      await first.nextOf(0xd0);
      const current = first.stream.getSession();
      const sessions = [...tickets, ...(current === undefined ? [] : [current])];
      first.stream.destroy();
      expect(sessions.length).toBeGreaterThan(0);
      for (const session of sessions) {
        const second = await fresh.dial("operational", { ...pumpB.tls, ...versions, session });
        expect(second.stream.isSessionReused()).toBe(false);
        expect(await second.connect({ clientId: "pump-1" })).toBe(0);
        // Without a certificate TLS 1.2 may be cut before the client thinks the handshake is over.
        const bare = await fresh.dial("operational", { ...versions, session }).catch(() => undefined);
        expect(await bare?.connect({ clientId: "pump-1" })).toBeUndefined();
      }
      const [a, ...others] = fresh.events.seen;
      expect(new Set(others).size).toBe(1);
      expect(others).not.toContain(a);
      await fresh.close();
    },
  );
});
