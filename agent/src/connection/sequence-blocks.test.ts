import fc from "fast-check";
import { expect, it } from "vitest";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { SequenceBlocks } from "./sequence-blocks.ts";

it("I4: a sequence number is never given out twice, also when power fails between blocks", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 1500 }), { maxLength: 5 }), async (lives) => {
      let store = new CrashingStateStore();
      const given: number[] = [];
      for (const count of lives) {
        const blocks = await SequenceBlocks.open(store, "mqtt");
        given.push(...(await Promise.all(Array.from({ length: count }, () => blocks.next()))));
        store = store.restart();
      }
      expect(given).toEqual([...new Set(given)].sort((a, b) => a - b));
    }),
    { numRuns: 20 },
  );
});

it("a thousand numbers cost one write", async () => {
  const store = new CrashingStateStore();
  const blocks = await SequenceBlocks.open(store, "mqtt");
  for (let count = 0; count < 1000; count++) await blocks.next();
  expect(store.writes).toBe(1);
});

it("a block that could not be reserved is not given out", async () => {
  const store = new CrashingStateStore();
  store.cutPower({ inWrites: 1, afterDisk: false });
  const blocks = await SequenceBlocks.open(store, "mqtt");
  await expect(blocks.next()).rejects.toThrow("power cut");
});

it("damaged numbers are said to be damaged", async () => {
  const store = new CrashingStateStore();
  await store.write([{ put: "sequence/mqtt", value: new TextEncoder().encode("many") }]);
  await expect(SequenceBlocks.open(store, "mqtt")).rejects.toMatchObject({ code: "store-corrupt" });
});
