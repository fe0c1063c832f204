import { FleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import type { StateStore } from "../ports.ts";
import { deleteTwin, putTwin, readTwin } from "./twin-record.ts";

describe("a twin record", () => {
  it("gives back what was put, and nothing where nothing was", async () => {
    const state = new CrashingStateStore();
    expect(await readTwin(state, "x")).toBeUndefined();
    await state.write(putTwin("x", Buffer.from("value")));
    expect(Buffer.from((await readTwin(state, "x")) ?? []).toString()).toBe("value");
    await state.write(deleteTwin("x"));
    expect([await readTwin(state, "x"), state.disk.size]).toEqual([undefined, 0]);
  });

  it("heals any damage of either copy, and costs no write while both are sound", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 50 }),
        fc.boolean(),
        fc.nat(),
        damage,
        async (value, isFirst, at, hurt) => {
          const state = new CrashingStateStore();
          await state.write(putTwin("x", value));
          await readTwin(state, "x");
          expect(state.writes).toBe(1);
          const sound = new Map(state.disk);
          const key = isFirst ? "x/a" : "x/b";
          const hurtRecord = hurt(state.disk.get(key) as Uint8Array, at);
          if (hurtRecord === undefined) state.disk.delete(key);
          else state.disk.set(key, hurtRecord);
          expect(Buffer.from((await readTwin(state, "x")) ?? [])).toEqual(Buffer.from(value));
          expect(new Map([...state.disk].map(([name, bytes]) => [name, Buffer.from(bytes)]))).toEqual(
            new Map([...sound].map(([name, bytes]) => [name, Buffer.from(bytes)])),
          );
        },
      ),
      { numRuns: 100 },
    );
  });

  it("takes the other copy when the store finds one damaged by itself, and heals it", async () => {
    const state = new CrashingStateStore();
    await state.write(putTwin("x", Buffer.from("value")));
    const broken: StateStore = {
      read: async (key) => {
        if (key === "x/a" && state.writes === 1) throw new FleetError("store-corrupt", "x/a is damaged");
        return state.read(key);
      },
      write: (changes) => state.write(changes),
      keys: (prefix, limit) => state.keys(prefix, limit),
    };
    expect(Buffer.from((await readTwin(broken, "x")) ?? []).toString()).toBe("value");
    expect(state.writes).toBe(2);
    const failing: StateStore = { ...broken, read: async () => Promise.reject(new FleetError("store-failed", "gone")) };
    await expect(readTwin(failing, "x")).rejects.toMatchObject({ code: "store-failed" });
  });

  it("says that it is damaged when no copy is sound, rather than that there is nothing", async () => {
    const state = new CrashingStateStore();
    state.disk.set("x/a", new Uint8Array(3));
    await expect(readTwin(state, "x")).rejects.toThrow(expect.objectContaining({ code: "store-corrupt" }));
    state.disk.set("x/b", new Uint8Array(40));
    await expect(readTwin(state, "x")).rejects.toThrow(expect.objectContaining({ code: "store-corrupt" }));
  });
});

/** A flipped bit, a cut, or nothing left. */
const damage = fc.constantFrom<(record: Uint8Array, at: number) => Uint8Array | undefined>(
  (record, at) => record.with(at % record.length, (record[at % record.length] as number) ^ 0x10),
  (record, at) => record.subarray(0, at % record.length),
  () => undefined,
);
