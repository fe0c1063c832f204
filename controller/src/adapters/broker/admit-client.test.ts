import { setImmediate } from "node:timers/promises";
import { FleetError } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { withBroker } from "../../../../test/support/broker/in-memory-broker.ts";
import { connectPacket, pingPacket, publishPacket } from "../../../../test/support/broker/mqtt-packets.ts";
import { until } from "../../../../test/support/until.ts";

describe("CONNECT", () => {
  it("is refused with the code that fits, and one line in the log", async () => {
    await withBroker({}, async (broker) => {
      const codeOf = async (wishes: Parameters<typeof connectPacket>[0]): Promise<number | undefined> =>
        broker.client().connect(wishes);
      expect(await codeOf({ clientId: "pump-1", protocol: "MQIsdp", level: 3 })).toBe(1);
      expect(await codeOf({ clientId: "pump-1", level: 6 })).toBe(1);
      expect(await codeOf({ clientId: "pump-1", level: 5 })).toBe(0x84);
      expect(await codeOf({ clientId: "" })).toBe(2);
      expect(await codeOf({ clientId: "Pump 1" })).toBe(2);
      expect(await codeOf({ clientId: "pump-1", will: { topic: "a", message: "b" } })).toBe(5);
      expect(broker.log.lines).toHaveLength(6);
      expect(broker.events.presence).toEqual([]);
    });
  });

  it("is refused as not authorized when the controller says no, as unavailable when it fails", async () => {
    const answers = {
      async authenticateOperational({ clientId }: { clientId: string }): Promise<never> {
        if (clientId === "suspended") throw new FleetError("device-suspended", "suspended since Monday");
        throw new Error("disk on fire");
      },
    };
    await withBroker({ answers }, async (broker) => {
      expect(await broker.client().connect({ clientId: "suspended" })).toBe(5);
      expect(await broker.client().connect({ clientId: "pump-1" })).toBe(3);
    });
  });

  it("is refused when the client id is not the one of the identity", async () => {
    const answers = {
      authenticateOperational: async () => ({ type: "operational", device: "pump-2", certificateSha256: "" }) as const,
    };
    await withBroker({ answers }, async (broker) => {
      expect(await broker.client().connect({ clientId: "pump-1" })).toBe(2);
      expect(await broker.client().connect({ clientId: "pump-2" })).toBe(0);
    });
  });

  it("is refused when it is not judged in time", async () => {
    const answers = { authenticateOperational: () => new Promise<never>(() => undefined) };
    await withBroker({ answers, limits: { authenticateTimeout: 5 } }, async (broker) => {
      expect(await broker.client().connect({ clientId: "pump-1" })).toBe(3);
    });
  });

  it("closes a connection that does not finish it in time, however it trickles", async () => {
    await withBroker({ limits: { connectTimeout: 30 } }, async (broker) => {
      const client = broker.client();
      client.send(connectPacket({ clientId: "pump-1" }).subarray(0, 8));
      await client.closed;
      await until(() => broker.log.lines.length > 0);
      expect(broker.log.lines).toEqual(["client dropped: no CONNECT within 30 ms"]);
    });
  });

  it("closes a client that sends more than a little ahead of CONNACK, at once or later", async () => {
    const answers = { authenticateOperational: () => new Promise<never>(() => undefined) };
    await withBroker({ answers }, async (broker) => {
      const ahead = publishPacket({ topic: "a", payload: Buffer.alloc(5_000) });
      const hello = connectPacket({ clientId: "pump-1" });
      const eager = broker.client();
      eager.send(hello, ahead);
      expect(await eager.next()).toBeUndefined();
      const impatient = broker.client();
      impatient.send(hello);
      await until(() => broker.events.seen.length > 0);
      impatient.send(ahead);
      expect(await impatient.next()).toBeUndefined();
    });
  });

  it("lets a large message come right after CONNACK, however slowly presence is recorded", async () => {
    const recorded = Promise.withResolvers<void>();
    await withBroker({ answers: { sessionChanged: () => recorded.promise } }, async (broker) => {
      const client = broker.client();
      expect(await client.connect({ clientId: "pump-1" })).toBe(0);
      const topic = "fleetcert/1/device/pump-1/up/report";
      client.send(publishPacket({ topic, payload: Buffer.alloc(30_000), packetId: 1 }));
      for (let turn = 0; turn < 20; turn++) await setImmediate();
      recorded.resolve();
      expect(await client.next()).toMatchObject({ header: 0x40 });
    });
  });

  it("closes without an answer what is no MQTT", async () => {
    await withBroker({}, async (broker) => {
      const client = broker.client();
      client.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
      expect(await client.next()).toBeUndefined();
    });
  });

  it("takes over the client id: the old session ends before the new one begins", async () => {
    await withBroker({}, async (broker) => {
      const old = await broker.connected("pump-1");
      await until(() => broker.events.presence.length === 1);
      const young = await broker.connected("pump-1");
      await old.closed;
      young.send(pingPacket);
      expect(await young.next()).toMatchObject({ header: 0xd0 });
      expect(broker.events.presence).toEqual(["+pump-1", "-pump-1", "+pump-1"]);
    });
  });

  it("leaves exactly one session however many take over at once", async () => {
    await withBroker({}, async (broker) => {
      const clients = Array.from({ length: 8 }, () => broker.client());
      await Promise.all(clients.map((client) => client.connect({ clientId: "pump-1" })));
      const [last] = clients.slice(-1);
      last?.send(pingPacket);
      expect(await last?.nextOf(0xd0)).toBeDefined();
      expect(clients.filter(({ isClosed }) => !isClosed)).toEqual([last]);
    });
  });

  it("may not be sent twice", async () => {
    await withBroker({}, async (broker) => {
      const client = await broker.connected("pump-1");
      client.send(connectPacket({ clientId: "pump-1" }));
      await client.closed;
      await until(() => broker.log.lines.length > 0);
      expect(broker.log.lines).toEqual(["client dropped: MQTT: second CONNECT"]);
    });
  });
});
