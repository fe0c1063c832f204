import { isFleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { encodeCheckpoint, verifyCheckpoint } from "./checkpoint.ts";

describe("audit checkpoint", () => {
  const signer = testSigner("P-256");
  const checkpoint = { sequence: 42, hash: "ab".repeat(32), at: 1_700_000_000_000 };

  it("comes back from its line for every kind of key", async () => {
    for (const algorithm of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
      const own = testSigner(algorithm);
      const line = await encodeCheckpoint(checkpoint, own);
      expect(line).not.toContain("\n");
      expect(verifyCheckpoint(line, own.spki)).toEqual(checkpoint);
    }
  });

  it("is refused under another key", async () => {
    const line = await encodeCheckpoint(checkpoint, testSigner("P-256"));
    expect(() => verifyCheckpoint(line, signer.spki)).toThrow(expect.objectContaining({ code: "signature-invalid" }));
  });

  it("is refused with another content or another payload type", async () => {
    const envelope = JSON.parse(await encodeCheckpoint(checkpoint, signer));
    const payload = Buffer.from(JSON.stringify({ ...checkpoint, sequence: 41 })).toString("base64");
    expect(() => verifyCheckpoint(JSON.stringify({ ...envelope, payload }), signer.spki)).toThrow(
      expect.objectContaining({ code: "signature-invalid" }),
    );
    expect(() => verifyCheckpoint(JSON.stringify({ ...envelope, payloadType: "other" }), signer.spki)).toThrow(
      expect.objectContaining({ code: "message-invalid" }),
    );
  });

  it("is refused when what was signed is no checkpoint", async () => {
    for (const wrong of [{ sequence: -1 }, { hash: "AB" }, { at: 1.5 }, { sequence: "1" }]) {
      const line = await encodeCheckpoint({ ...checkpoint, ...wrong } as typeof checkpoint, signer);
      expect(() => verifyCheckpoint(line, signer.spki)).toThrow(expect.objectContaining({ code: "message-invalid" }));
    }
  });

  it("gives a typed error for any text, also a valid line with a change", async () => {
    const line = await encodeCheckpoint(checkpoint, signer);
    const changed = fc
      .tuple(fc.nat(line.length), fc.nat(20), fc.string())
      .map(([at, cut, text]) => line.slice(0, at) + text + line.slice(at + cut));
    const odd = fc.constantFrom("null", "[]", "{}", '{"payloadType":1}', "x".repeat(5_000));
    fc.assert(
      fc.property(fc.oneof(changed, fc.string(), fc.json(), odd), (text) => {
        try {
          expect(verifyCheckpoint(text, signer.spki)).toEqual(checkpoint);
        } catch (error) {
          expect(isFleetError(error, "message-invalid", "message-too-large", "signature-invalid")).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});
