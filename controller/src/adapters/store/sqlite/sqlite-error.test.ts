import { FleetError } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { toStoreError } from "./sqlite-error.ts";

describe("errors of SQLite", () => {
  it.each([
    [5, "conflict"],
    [261, "conflict"],
    [8, "store-failed"],
    [1032, "store-failed"],
    [778, "store-failed"],
    [13, "store-failed"],
    [14, "store-failed"],
    [11, "store-corrupt"],
    [267, "store-corrupt"],
    [26, "store-corrupt"],
    [2067, "already-exists"],
    [1555, "already-exists"],
    [3091, "internal"],
    [1, "store-failed"],
  ])("with result code %i become %s", (errcode, code) => {
    const cause = Object.assign(new Error("text that nobody decides by"), { errcode });
    expect(toStoreError(cause, "/data/store.db")).toMatchObject({ code, cause });
    expect(toStoreError(cause, "/data/store.db").message).toContain("/data/store.db");
  });

  it("of another kind are store-failed, and ours stay what they are", () => {
    expect(toStoreError(undefined, "p").code).toBe("store-failed");
    const ours = new FleetError("conflict", "said before");
    expect(toStoreError(ours, "p")).toBe(ours);
  });

  it("say what to do about a full disk, and that trying again may help", () => {
    const full = Object.assign(new Error("database or disk is full"), { errcode: 13 });
    expect(toStoreError(full, "p")).toMatchObject({ retry: true, hint: expect.stringContaining("free space") });
  });
});
