import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type InMemoryBroker, withBroker } from "../../../../test/support/broker/in-memory-broker.ts";
import {
  connectPacket,
  pingPacket,
  pubackPacket,
  subscribePacket,
} from "../../../../test/support/broker/mqtt-packets.ts";
import { until } from "../../../../test/support/until.ts";

describe("messages of the controller", () => {
  const trust = "fleetcert/1/fleet/trust";
  const down = "fleetcert/1/device/pump-1/down/received";
  const send = (broker: InMemoryBroker, topic: string, payload: string, retain = false): Promise<void> =>
    broker.hub.publish({ topic, payload: Buffer.from(payload), retain });

  it("reach later subscribers when retained, until they are cleared", async () => {
    await withBroker({}, async (broker) => {
      await send(broker, trust, "bundle 1", true);
      await send(broker, trust, "bundle 2", true);
      const first = await broker.connected("pump-1");
      first.send(subscribePacket(1, trust));
      expect(await first.nextMessage()).toMatchObject({ topic: trust, payload: Buffer.from("bundle 2"), retain: true });
      await send(broker, trust, "", true);
      const second = await broker.connected("pump-2");
      second.send(subscribePacket(1, trust));
      await second.nextOf(0x90);
      await send(broker, trust, "live");
      expect((await second.nextMessage())?.payload.toString()).toBe("live");
    });
  });

  it("all arrive in order when retained and other ones are published at once", async () => {
    await withBroker({}, async (broker) => {
      const client = await broker.connected("pump-1");
      client.send(subscribePacket(1, trust, "fleetcert/1/device/pump-1/down/#"));
      await client.nextOf(0x90);
      const sent = Array.from({ length: 40 }, (_, at) => at);
      await Promise.all(sent.map((at) => send(broker, at % 2 ? trust : down, String(at), at % 2 === 1)));
      const got: number[] = [];
      while (got.length < sent.length) got.push(Number((await client.nextMessage())?.payload));
      expect(got).toEqual(sent);
    });
  });

  it("wait for a client that keeps its session, as duplicates when it may have seen them", async () => {
    await withBroker({}, async (broker) => {
      const first = await broker.connected("pump-1", { clean: false });
      first.send(subscribePacket(1, "fleetcert/1/device/pump-1/down/#", "fleetcert/1/device/pump-2/down/#"));
      await first.nextOf(0x90);
      await send(broker, down, "seen");
      const seen = await first.nextMessage();
      first.send(pubackPacket(seen?.packetId ?? 0), pingPacket);
      await first.nextOf(0xd0);
      await send(broker, down, "not acknowledged");
      await first.nextMessage();
      first.stream.destroy();
      await until(() => broker.events.presence.length === 2);
      await send(broker, down, "while away");
      await send(broker, "fleetcert/1/device/pump-2/down/received", "not its own");
      const second = broker.client();
      expect(await second.connect({ clientId: "pump-1", clean: false })).toBe(0);
      const again = await second.next();
      expect(again?.header).toBe(0x3a);
      expect((await second.nextMessage())?.payload.toString()).toBe("while away");
      second.send(pingPacket);
      expect(await second.next()).toMatchObject({ header: 0xd0 });
    });
  });

  it("never come before CONNACK and are not lost, whenever a kept session comes back", async () => {
    await withBroker({}, async (broker) => {
      const first = await broker.connected("pump-1", { clean: false });
      first.send(subscribePacket(1, "fleetcert/1/device/pump-1/down/#"));
      await first.nextOf(0x90);
      first.stream.destroy();
      for (let turns = 0; turns < 25; turns++) {
        const client = broker.client();
        client.send(connectPacket({ clientId: "pump-1", clean: false }));
        for (let turn = 0; turn < turns; turn++) await setImmediate();
        await send(broker, down, String(turns));
        expect((await client.next())?.header).toBe(0x20);
        const message = await client.nextMessage();
        expect(message?.payload.toString()).toBe(String(turns));
        client.send(pubackPacket(message?.packetId ?? 0), pingPacket);
        expect(await client.next()).toMatchObject({ header: 0xd0 });
        client.stream.destroy();
      }
    });
  });

  it("are refused above the largest size and when too many wait", async () => {
    await withBroker({ limits: { publishBytes: 10, publishingBytes: 15 } }, async (broker) => {
      await expect(send(broker, trust, "12345678901")).rejects.toMatchObject({ code: "message-too-large" });
      const first = send(broker, trust, "1234567890");
      await expect(send(broker, trust, "1234567890")).rejects.toMatchObject({ code: "rate-limited", retry: true });
      await first;
      await send(broker, trust, "1234567890");
    });
  });
});
