import { describe, expect, it } from "vitest";
import { loadTlsAddon } from "./addon.ts";

describe("loading the TLS addon", () => {
  it("says key-store-missing, and how to build it, when it is not there or does not load", () => {
    for (const place of ["./not-built.node", "./addon.ts.node"]) {
      expect(() => loadTlsAddon([place])).toThrowError(
        expect.objectContaining({
          code: "key-store-missing",
          hint: expect.stringContaining("build-native.mjs --required"),
        }),
      );
    }
  });
});
