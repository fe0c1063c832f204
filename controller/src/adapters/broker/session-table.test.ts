import { describe, expect, it } from "vitest";
import { withBroker } from "../../../../test/support/broker/in-memory-broker.ts";
import { publishPacket } from "../../../../test/support/broker/mqtt-packets.ts";
import { until } from "../../../../test/support/until.ts";
import type { BrokerEvents } from "../../ports.ts";

describe("dropping sessions", () => {
  const chainOf = (name: string): Uint8Array[] => [Buffer.from(name)];

  it("closes those of the device, or only those one certificate authenticated, and tells how many", async () => {
    await withBroker({}, async (broker) => {
      const client = broker.client(chainOf("certificate A"));
      await client.connect({ clientId: "pump-1" });
      const other = await broker.connected("pump-2");
      const [sha = ""] = broker.events.seen;
      await until(() => broker.events.presence.length === 2);
      expect(await broker.table.drop({ device: "pump-1", certificateSha256: "ff" })).toBe(0);
      expect(await broker.table.drop({ device: "pump-1", certificateSha256: sha })).toBe(1);
      await client.closed;
      expect(other.isClosed).toBe(false);
      expect(broker.events.presence).toEqual(["+pump-1", "+pump-2", "-pump-1"]);
    });
  });

  it("leaves unread what the session had sent by then", async () => {
    const answers: Partial<BrokerEvents> = {};
    await withBroker({ answers }, async (broker) => {
      answers.receive = async () => {
        await broker.table.drop({ device: "pump-1", certificateSha256: undefined });
      };
      const client = await broker.connected("pump-1");
      const topic = "fleetcert/1/device/pump-1/up/report";
      client.send(publishPacket({ topic, payload: "first" }), publishPacket({ topic, payload: "second" }));
      await client.closed;
      await until(() => broker.events.received.length > 0);
      await broker.connected("pump-2");
      expect(broker.events.received.map(({ payload }) => payload)).toEqual(["first"]);
    });
  });

  it("also refuses a session whose CONNECT is being judged (I7)", async () => {
    const judged = Promise.withResolvers<void>();
    const answers = {
      async authenticateOperational({ clientId }: { clientId: string }) {
        await judged.promise;
        return { type: "operational", device: clientId, certificateSha256: "aa" } as const;
      },
    };
    await withBroker({ answers }, async (broker) => {
      const code = broker.client().connect({ clientId: "pump-1" });
      await until(() => broker.events.seen.length > 0);
      expect(await broker.table.drop({ device: "pump-1", certificateSha256: undefined })).toBe(0);
      judged.resolve();
      expect(await code).toBe(5);
      expect(broker.events.presence).toEqual([]);
    });
  });
});
