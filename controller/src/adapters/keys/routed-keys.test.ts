import { FleetError } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { memoryKeyProvider } from "../../../../test/support/keys/memory-key-provider.ts";
import { routedKeys } from "./routed-keys.ts";

describe("several key stores as one", () => {
  const aWorld = () => {
    const [token, files] = [memoryKeyProvider(), memoryKeyProvider()];
    const makes = (label: string) => label === "issuing";
    return {
      token,
      files,
      keys: routedKeys([
        { keys: token, makes },
        { keys: files, makes: () => true },
      ]),
    };
  };

  it("make a key where its label belongs and find it wherever it is", async () => {
    const { token, files, keys } = aWorld();
    const issuing = await keys.generate({ algorithm: "P-256", label: "issuing" });
    const listener = await keys.generate({ algorithm: "P-256", label: "listener-api" });
    expect([await token.list(""), await files.list("")].map((found) => found.map(({ id }) => id))).toEqual([
      [issuing.id],
      [listener.id],
    ]);
    expect((await keys.list("")).map(({ id }) => id)).toEqual([issuing.id, listener.id]);
    for (const { ref, id } of [issuing, listener]) expect(await keys.open(ref)).toMatchObject({ id });
    const before = await files.generate({ algorithm: "P-256", label: "issuing" });
    expect(await keys.open(before.ref)).toMatchObject({ id: before.id });
  });

  it("destroy a key once, and say key-not-found of it afterwards", async () => {
    const { keys } = aWorld();
    const { ref } = await keys.generate({ algorithm: "P-256", label: "listener-api" });
    await keys.destroy(ref);
    await keys.destroy(ref);
    await expect(keys.open(ref)).rejects.toMatchObject({ code: "key-not-found" });
  });

  it("do not take a store that failed for one without the key", async () => {
    const { token, files } = aWorld();
    const down = () => Promise.reject(new FleetError("key-store-unavailable", "gone", { retry: true }));
    const keys = routedKeys([
      { keys: { ...token, open: down, destroy: down }, makes: () => false },
      { keys: files, makes: () => true },
    ]);
    const { ref } = await keys.generate({ algorithm: "P-256", label: "x" });
    await expect(keys.open(ref)).rejects.toMatchObject({ code: "key-store-unavailable" });
    await expect(keys.destroy(ref)).rejects.toMatchObject({ code: "key-store-unavailable" });
  });
});
