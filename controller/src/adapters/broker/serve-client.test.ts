import { FleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withBroker } from "../../../../test/support/broker/in-memory-broker.ts";
import {
  connectPacket,
  disconnectPacket,
  packet,
  pingPacket,
  pubackPacket,
  publishPacket,
  subscribePacket,
  text,
  unsubscribePacket,
} from "../../../../test/support/broker/mqtt-packets.ts";
import { until } from "../../../../test/support/until.ts";

const report = "fleetcert/1/device/pump-1/up/report";

describe("PUBLISH of a device", () => {
  it("reaches the controller from its own topics only and never another client", async () => {
    await withBroker({}, async (broker) => {
      const other = await broker.connected("pump-2");
      other.send(subscribePacket(1, "fleetcert/1/device/pump-2/down/#", report, "fleetcert/1/device/pump-1/#"));
      expect((await other.next())?.body.subarray(2)).toEqual(Buffer.from([1, 0x80, 0x80]));
      const client = await broker.connected("pump-1");
      client.send(publishPacket({ topic: report, payload: "one", packetId: 7 }));
      expect(await client.next()).toMatchObject({ header: 0x40, body: Buffer.from([0, 7]) });
      client.send(publishPacket({ topic: report, payload: "two" }), pingPacket);
      expect(await client.next()).toMatchObject({ header: 0xd0 });
      expect(broker.events.received.map(({ payload }) => payload)).toEqual(["one", "two"]);
      other.send(pingPacket);
      expect(await other.next()).toMatchObject({ header: 0xd0 });
    });
  });

  it.each([
    ["another device's topic", publishPacket({ topic: "fleetcert/1/device/pump-2/up/report", packetId: 1 })],
    ["a topic it only reads", publishPacket({ topic: "fleetcert/1/device/pump-1/down/issued", packetId: 1 })],
    ["a fleet topic", publishPacket({ topic: "fleetcert/1/fleet/trust", packetId: 1 })],
    ["a kind that does not exist", publishPacket({ topic: "fleetcert/1/device/pump-1/up/upload", packetId: 1 })],
    ["$SYS", publishPacket({ topic: "$SYS/broker/new/clients", packetId: 1 })],
    ["where acknowledged publishes end", publishPacket({ topic: "$receipt", packetId: 1 })],
    ["a retained message", publishPacket({ topic: report, packetId: 1, retain: true })],
    ["QoS 2", publishPacket({ topic: report, packetId: 1, qos: 2 })],
  ])("to %s ends the session and changes nothing", async (_what, bytes) => {
    await withBroker({}, async (broker) => {
      const client = await broker.connected("pump-1");
      client.send(bytes);
      expect(await client.next()).toBeUndefined();
      await until(() => broker.log.lines.length > 0);
      expect(broker.events.received).toEqual([]);
      expect(broker.log.lines).toHaveLength(1);
    });
  });

  it("is acknowledged only after it is stored (I10), in order and one at a time", async () => {
    const order: string[] = [];
    const stored: (() => void)[] = [];
    const answers = {
      receive: () =>
        new Promise<void>((resolve) => {
          order.push("received");
          stored.push(() => {
            order.push("stored");
            resolve();
          });
        }),
    };
    await withBroker({ answers }, async (broker) => {
      const client = await broker.connected("pump-1");
      const both = [1, 2].map((packetId) => publishPacket({ topic: report, packetId }));
      client.send(...both);
      for (const packetId of [1, 2]) {
        await until(() => stored.length >= packetId);
        stored[packetId - 1]?.();
        expect(await client.next()).toMatchObject({ header: 0x40, body: Buffer.from([0, packetId]) });
        order.push("acknowledged");
      }
      // The next is received while the acknowledgement is under way, never before it is sent.
      expect(order.slice(0, 2)).toEqual(["received", "stored"]);
      expect(order.slice(-2)).toEqual(["stored", "acknowledged"]);
      expect(order).toHaveLength(6);
    });
  });

  it("that cannot be stored ends the session without an acknowledgement; others live on", async () => {
    const answers = {
      async receive({ payload }: { payload: Uint8Array }): Promise<void> {
        if (payload.length > 0) throw new FleetError("store-failed", "disk full");
      },
    };
    await withBroker({ answers }, async (broker) => {
      const other = await broker.connected("pump-2");
      const client = await broker.connected("pump-1");
      client.send(publishPacket({ topic: report, payload: "x", packetId: 1 }));
      expect(await client.next()).toBeUndefined();
      other.send(publishPacket({ topic: "fleetcert/1/device/pump-2/up/report", packetId: 1 }));
      expect(await other.next()).toMatchObject({ header: 0x40 });
    });
  });
});

describe("a client that misbehaves after CONNACK", () => {
  it.each([
    ["packet id 0", publishPacket({ topic: report, packetId: 0 })],
    ["QoS 3", publishPacket({ topic: report, packetId: 1, qos: 3 })],
    ["a packet of the server", packet(0x20, [Buffer.from([0, 0])])],
    ["PUBREL", packet(0x62, [Buffer.from([0, 1])])],
    ["a wildcard topic", publishPacket({ topic: "fleetcert/1/device/+/up/report", packetId: 1 })],
    ["a malformed length", Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ["a packet above the bound", Buffer.from([0x30, 0x81, 0x80, 0x10])],
    ["a broken filter", packet(0x82, [Buffer.from([0, 1]), text("a#"), Buffer.from([0])])],
  ])("with %s is dropped, and nobody else", async (_what, bytes) => {
    await withBroker({}, async (broker) => {
      const other = await broker.connected("pump-2");
      const client = await broker.connected("pump-1");
      client.send(bytes);
      await client.closed;
      other.send(pingPacket);
      expect(await other.next()).toMatchObject({ header: 0xd0 });
    });
  });
});

describe("any bytes", () => {
  const legal = fc.constantFrom(
    connectPacket({ clientId: "pump-1" }),
    publishPacket({ topic: report, payload: "x", packetId: 1 }),
    publishPacket({ topic: report, payload: "x" }),
    subscribePacket(1, "fleetcert/1/device/pump-1/down/#", "#"),
    unsubscribePacket(2, "fleetcert/1/device/pump-1/down/#"),
    pubackPacket(3),
    pingPacket,
    disconnectPacket,
  );
  const bytes = fc.oneof(
    legal,
    fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from(octets)),
    fc.tuple(legal, fc.nat(), fc.nat(255)).map(([whole, at, octet]) => {
      const changed = Buffer.from(whole);
      changed[at % changed.length] = octet;
      return changed;
    }),
  );

  it("end in a live client or a closed one, and the next client is served", async () => {
    await withBroker({}, async (broker) => {
      const run = async (isConnected: boolean, parts: readonly Buffer[]): Promise<void> => {
        const client = isConnected ? await broker.connected("pump-1") : broker.client();
        for (const part of parts) client.send(part);
        client.stream.end();
        await client.closed;
        expect(await (await broker.connected("pump-2")).isClosed).toBe(false);
      };
      await fc.assert(fc.asyncProperty(fc.boolean(), fc.array(bytes, { maxLength: 8 }), run), { numRuns: 200 });
      const foreign = broker.events.received.filter(({ topic }) => topic !== report);
      expect(foreign).toEqual([]);
    });
  });
});
