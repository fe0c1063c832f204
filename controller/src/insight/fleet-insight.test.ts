import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aCertificate, aDevice, anAttributes } from "../../../test/contracts/store-records.ts";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { CredentialState } from "../records.ts";
import { fleetAges, fleetServiceLevels } from "./fleet-insight.ts";

const hour = 3_600_000;
const now = 1_000 * hour;

describe("insight into the fleet", () => {
  it("takes expired certificates out of the ages it shows", async () => {
    const store = memoryStore();
    await store.transaction(async (tx) => {
      await tx.certificates.put(aCertificate(1, { notAfter: now - 1, issuedAt: now - hour }));
      await tx.certificates.put(aCertificate(2, { notAfter: now, issuedAt: now - hour }));
    });
    expect((await fleetAges(store, { now })).total.count).toBe(1);
  });

  it("shows the ages of chosen devices only", async () => {
    const store = memoryStore();
    await store.transaction(async (tx) => {
      for (const [index, id] of ["a", "b", "c"].entries()) {
        await tx.devices.put(aDevice({ id, attributes: anAttributes({ site: id === "c" ? "far" : "near" }) }));
        await tx.certificates.put(aCertificate(index, { device: id, notAfter: now, issuedAt: now - hour }));
      }
    });
    const { total, groups } = await fleetAges(store, { now, by: "site", includes: async ({ id }) => id !== "b" });
    expect(total.count).toBe(2);
    expect(groups.map(({ group, count }) => [group, count])).toEqual([
      ["far", 1],
      ["near", 1],
    ]);
  });

  it("shows the same from the counters as from reading every certificate", async () => {
    const certificate = fc.record({
      device: fc.constantFrom("a", "b"),
      state: fc.constantFrom<CredentialState>("issued", "proven", "retired", "revoked"),
      issuedAt: fc.integer({ min: 0, max: now }),
      notAfter: fc.integer({ min: now - 2, max: now + 2 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(certificate, { maxLength: 30 }), async (all) => {
        const store = memoryStore();
        await store.transaction(async (tx) => {
          await tx.devices.put(aDevice({ id: "a" }));
          await tx.devices.put(aDevice({ id: "b", attributes: anAttributes({ site: "plant-2" }) }));
          for (const [index, some] of all.entries()) await tx.certificates.put(aCertificate(index, some));
        });
        const kept = await fleetAges(store, { now, by: "site" });
        expect(await fleetAges(store, { now, by: "site", includes: async () => true })).toEqual(kept);
      }),
      { numRuns: 50 },
    );
  });

  it("gives every service level of an empty store without a verdict", async () => {
    const levels = await fleetServiceLevels(memoryStore(), { now, issuers: ["issuer-1"] });
    expect(levels.map(({ name, met }) => [name, met])).toEqual([
      ["valid-share", undefined],
      ["renewal-success", undefined],
      ["automated-share", undefined],
      ["audit-completeness", undefined],
      ["revocation-propagation", undefined],
    ]);
  });
});
