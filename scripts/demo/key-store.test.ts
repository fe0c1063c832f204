import { describe, expect, it } from "vitest";
import { keyStoreOf, protectionOf } from "./key-store.ts";

describe("the demo's key stores", () => {
  it("gives a mixed fleet each kind in turn, and every other fleet one kind", () => {
    const mixed = { kind: "mixed", module: "m" } as const;
    const kinds = [0, 1, 2, 3].map((index) => keyStoreOf(mixed, index));
    expect(kinds).toEqual(["tpm", "pkcs11", "software", "tpm"]);
    expect([0, 1].map((index) => keyStoreOf({ kind: "tpm" }, index))).toEqual(["tpm", "tpm"]);
    expect(kinds.map((kind) => protectionOf[kind])).toEqual(["attested", "token", "software", "attested"]);
  });
});
