import { describe, expect, it } from "vitest";
import { aDevice, anAck, anAttributes } from "../../../test/contracts/store-records.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { ConnectivityClass } from "../records.ts";
import { findPropagation } from "./find-propagation.ts";
import { beginPropagation, countAck } from "./propagation.ts";

const issuer = "issuer-1";
const asked = { issuer, epoch: 5, requestedAt: 1_000_000, blockedAtBroker: 3, now: 1_000_040 };

/** A store in which epoch 5 is measured, with a device of each class and time of last contact given. */
async function storeWith(devices: Readonly<Record<string, readonly [ConnectivityClass, number | undefined]>>) {
  const store = memoryStore();
  await store.transaction(async (tx) => {
    for (const [id, [connectivity, lastSeenAt]] of Object.entries(devices)) {
      await tx.devices.put(aDevice({ id, lastSeenAt, attributes: anAttributes({ connectivity }) }));
    }
    await beginPropagation(tx, asked);
  });
  const status = () => store.transaction((tx) => findPropagation(tx, { issuers: [issuer], epoch: 5 }));
  const acknowledge = (device: string, via: string, receivedAt: number, epoch = 5) =>
    store.transaction(async (tx) => {
      const before = await tx.acks.find(device, issuer);
      const ack = anAck({ device, issuer, epoch, via, receivedAt });
      await tx.acks.put(ack);
      await countAck(tx, { ack, before });
    });
  return { store, status, acknowledge };
}

describe("how far a revocation has come", () => {
  it("names who is late by connectivity class, who was not seen for longest first", async () => {
    const { status, acknowledge } = await storeWith({
      a: ["always", 900],
      b: ["always", 100],
      c: ["courier", undefined],
      d: ["courier", 500],
      e: ["daily", 300],
    });
    await acknowledge("e", "mqtt", 1_000_100);
    const { laggards, waiting } = await status();
    expect(waiting).toEqual(["a", "b", "c", "d"]);
    expect(laggards).toEqual([
      {
        connectivity: "always",
        count: 2,
        devices: [
          { id: "b", lastSeenAt: 100 },
          { id: "a", lastSeenAt: 900 },
        ],
      },
      {
        connectivity: "courier",
        count: 2,
        devices: [
          { id: "c", lastSeenAt: undefined },
          { id: "d", lastSeenAt: 500 },
        ],
      },
    ]);
  });

  it("counts an acknowledgement once, by the way it came, and one of an older epoch not at all", async () => {
    const { status, acknowledge } = await storeWith({ a: ["always", 1], b: ["courier", 1], c: ["rare", 1] });
    await acknowledge("a", "mqtt", 1_000_100);
    await acknowledge("a", "mqtt", 1_000_900);
    await acknowledge("b", "courier", 1_090_000);
    await acknowledge("c", "mqtt", 1_000_200, 4);
    const { via, acknowledged, p50, max, curve } = await status();
    expect(via).toEqual({ mqtt: 1, courier: 1 });
    expect(acknowledged).toBe(2);
    expect(curve.map((point) => point.acknowledged)).toEqual([1, 2]);
    expect((p50 ?? 0) / 100).toBeCloseTo(1, 1);
    expect((max ?? 0) / 90_000).toBeCloseTo(1, 1);
  });

  it("names at most twenty of a class, and counts them all", async () => {
    const many = Array.from({ length: 30 }, (_, at) => [`d${at}`, ["rare", 1000 - at]] as const);
    const { status } = await storeWith(Object.fromEntries(many));
    const [rare] = (await status()).laggards;
    expect([rare?.count, rare?.devices.length, rare?.devices[0]?.id]).toEqual([30, 20, "d29"]);
  });
});
