import { describe, expect, it } from "vitest";
import {
  aCertificate,
  aDevice,
  anAck,
  anAttributes,
  anEpoch,
  anIntent,
} from "../../../test/contracts/store-records.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { Transaction } from "../store-port.ts";
import { gatherServiceCounts } from "./gather-service-counts.ts";

const now = 1_000_000_000;

async function countsOf(fill: (tx: Transaction) => Promise<unknown>) {
  const store = memoryStore();
  await store.transaction(fill);
  return gatherServiceCounts(store, { now, issuers: ["issuer-1"] });
}

describe("service counts", () => {
  it("are all zero for an empty store", async () => {
    const nothing = { good: 0, all: 0 };
    expect(await countsOf(async () => undefined)).toEqual({
      validDevices: nothing,
      renewals: nothing,
      automatedRotations: nothing,
      closedIntents: nothing,
      propagation: [],
      unacknowledged: 0,
    });
  });

  it("take a device for valid when its identity certificate is usable now", async () => {
    const counts = await countsOf(async (tx) => {
      for (const id of ["valid", "expired", "revoked", "none"]) await tx.devices.put(aDevice({ id }));
      await tx.devices.put(aDevice({ id: "gone", state: "retired" }));
      await tx.certificates.put(aCertificate(1, { device: "valid", notAfter: now }));
      await tx.certificates.put(aCertificate(2, { device: "expired", notAfter: now - 1 }));
      await tx.certificates.put(aCertificate(3, { device: "revoked", state: "revoked" }));
      await tx.certificates.put(aCertificate(4, { device: "none", slot: "web" }));
    });
    expect(counts.validDevices).toEqual({ good: 1, all: 4 });
  });

  it("judge renewals by their proof, and leave young ones open", async () => {
    const counts = await countsOf(async (tx) => {
      await tx.certificates.put(aCertificate(1, { generation: 1, provenAt: 5, state: "proven" }));
      await tx.certificates.put(aCertificate(2, { generation: 2, provenAt: 5, state: "retired" }));
      await tx.certificates.put(aCertificate(3, { generation: 2, state: "abandoned" }));
      await tx.certificates.put(aCertificate(4, { generation: 2, issuedAt: now - 90_000_000 }));
      await tx.certificates.put(aCertificate(5, { generation: 3, issuedAt: now - 1_000 }));
    });
    expect(counts.renewals).toEqual({ good: 1, all: 3 });
  });

  it("take a rotation for automated unless the device had to be enrolled anew", async () => {
    const counts = await countsOf(async (tx) => {
      for (const number of [1, 2, 3]) {
        await tx.certificates.put(aCertificate(number, { generation: 2, provenAt: 5, state: "proven" }));
        await tx.audit.append(entry(number, "device.enrolled", "edge-1"));
      }
      await tx.audit.append(entry(4, "device.enrolled", "edge-2"));
    });
    expect(counts.automatedRotations).toEqual({ good: 1, all: 3 });
  });

  it("find intents that nobody closed, once they are older than a minute", async () => {
    const counts = await countsOf(async (tx) => {
      for (const sequence of [1, 2, 3, 4])
        await tx.audit.append(entry(sequence, "certificate.intent", "edge-1", "intent"));
      await tx.intents.put(anIntent({ tbsSha256: "a", openedAt: now - 60_001 }));
      await tx.intents.put(anIntent({ tbsSha256: "b", openedAt: now - 5 }));
      await tx.intents.put(anIntent({ tbsSha256: "c", state: "aborted" }));
    });
    expect(counts.closedIntents).toEqual({ good: 2, all: 3 });
  });

  it("measure how long devices that are always online took to apply the newest epoch", async () => {
    const published = now - 400_000;
    const counts = await countsOf(async (tx) => {
      await tx.epochs.put(anEpoch({ epoch: 4, thisUpdate: published }));
      for (const [index, id] of ["fast", "behind", "silent", "courier"].entries()) {
        const connectivity = id === "courier" ? "courier" : "always";
        await tx.devices.put(aDevice({ id, attributes: anAttributes({ connectivity }) }));
        await tx.certificates.put(aCertificate(index + 1, { device: id, notAfter: now }));
      }
      await tx.acks.put(anAck({ device: "fast", epoch: 4, receivedAt: published + 700 }));
      await tx.acks.put(anAck({ device: "behind", epoch: 3, receivedAt: published - 700 }));
    });
    expect(counts.propagation).toEqual([700]);
    expect(counts.unacknowledged).toBe(2);
  });

  it("do not hold a device to an epoch that has just been published", async () => {
    const counts = await countsOf(async (tx) => {
      await tx.epochs.put(anEpoch({ thisUpdate: now - 1_000 }));
      await tx.devices.put(aDevice());
      await tx.certificates.put(aCertificate(1, { notAfter: now }));
    });
    expect(counts).toMatchObject({ propagation: [], unacknowledged: 0 });
  });

  it("cover more rows than one page holds", async () => {
    const counts = await countsOf(async (tx) => {
      for (let number = 1; number <= 1_201; number += 1) {
        await tx.devices.put(aDevice({ id: `d${number}` }));
        await tx.certificates.put(aCertificate(number, { device: `d${number}`, notAfter: now }));
      }
    });
    expect(counts.validDevices).toEqual({ good: 1_201, all: 1_201 });
  });
});

function entry(sequence: number, action: string, target: string, outcome: "intent" | "success" = "success") {
  const hash = "0".repeat(64);
  return { sequence, at: 0, actor: "controller", action, target, outcome, details: "{}", previousHash: hash, hash };
}
