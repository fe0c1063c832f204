import { beforeEach, describe, expect, it } from "vitest";
import type { StateStore } from "../../agent/src/ports.ts";

/**
 * What every state store of the agent must do. `open` opens the same memory each time it is called, as a new process would after
 * the one before has died.
 */
export function stateStoreContract(
  name: string,
  { begin, open }: { readonly begin: () => Promise<void>; readonly open: () => Promise<StateStore> },
): void {
  describe(`state store contract: ${name}`, () => {
    let store: StateStore;
    beforeEach(async () => {
      await begin();
      store = await open();
    });

    const bytes = (text: string) => new TextEncoder().encode(text);

    it("has nothing under a key that was never written", async () => {
      expect(await store.read("a")).toBeUndefined();
      expect(await store.keys("", 10)).toEqual([]);
    });

    it("gives back what was written, empty values too", async () => {
      await store.write([
        { put: "a", value: bytes("one") },
        { put: "b", value: new Uint8Array() },
      ]);
      expect(await store.read("a")).toEqual(bytes("one"));
      expect(await store.read("b")).toEqual(new Uint8Array());
    });

    it("applies puts and deletes of one write in their order", async () => {
      await store.write([{ put: "a", value: bytes("one") }]);
      await store.write([{ delete: "a" }, { put: "b", value: bytes("two") }, { put: "b", value: bytes("three") }]);
      expect(await store.read("a")).toBeUndefined();
      expect(await store.read("b")).toEqual(bytes("three"));
    });

    it("takes deleting what is not there as done", async () => {
      await expect(store.write([{ delete: "never" }])).resolves.toBeUndefined();
    });

    it("lists the keys of a prefix in order, up to the limit, and no neighbour", async () => {
      const names = ["outbox/2", "outbox/1", "outbox/10", "outbox", "outboy/1"];
      await store.write(names.map((put) => ({ put, value: bytes(put) })));
      expect(await store.keys("outbox/", 10)).toEqual(["outbox/1", "outbox/10", "outbox/2"]);
      expect(await store.keys("outbox/", 2)).toEqual(["outbox/1", "outbox/10"]);
    });

    it("does not see later changes of the array that was written, or of one that was read", async () => {
      const value = bytes("one");
      await store.write([{ put: "a", value }]);
      value.fill(0);
      const read = await store.read("a");
      read?.fill(0);
      expect(await store.read("a")).toEqual(bytes("one"));
    });

    it("still has it in the next process", async () => {
      await store.write([{ put: "a", value: bytes("one") }]);
      const next = await open();
      expect(await next.read("a")).toEqual(bytes("one"));
      expect(await next.keys("", 10)).toEqual(["a"]);
    });
  });
}
