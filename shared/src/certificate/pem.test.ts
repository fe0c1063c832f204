import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pemDecode, pemEncode } from "./pem.ts";

describe("PEM", () => {
  it("reads back every block with its label, in order, and passes over everything else", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 4 }), (blocks) => {
        const noise = `# a comment\n${pemEncode("PRIVATE KEY", Uint8Array.of(1))}`;
        const text = blocks.map((block) => `${noise}${pemEncode("CERTIFICATE", block)}`).join("\r\n");
        expect(pemDecode(text, "CERTIFICATE")).toEqual(blocks);
      }),
    );
  });

  it("writes lines of 64 characters", () => {
    expect(pemEncode("X", new Uint8Array(50))).toBe(`-----BEGIN X-----\n${"A".repeat(64)}\nAAA=\n-----END X-----\n`);
  });

  it("refuses a block without an end and one that is not base64", () => {
    const invalid = expect.objectContaining({ code: "der-invalid" });
    expect(() => pemDecode("-----BEGIN X-----\nAAAA\n", "X")).toThrow(invalid);
    expect(() => pemDecode("-----BEGIN X-----\nA*AA\n-----END X-----", "X")).toThrow(invalid);
    expect(() => pemDecode("-----BEGIN X-----\n-----END X-----", "X")).toThrow(invalid);
  });
});
