import { sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { verifySignature } from "../key/verify-signature.ts";
import { claimKeyOf } from "./claim-key.ts";

const secrets = fc.uint8Array({ minLength: 16, maxLength: 64 });
const message = new TextEncoder().encode("an enrolment");
const signed = (secret: Uint8Array) => {
  const { pkcs8 } = claimKeyOf(secret);
  return new Uint8Array(sign(null, message, { key: Buffer.from(pkcs8), format: "der", type: "pkcs8" }));
};

describe("the key of a claim", () => {
  it("is the same for the same secret, and another for any other", () => {
    fc.assert(
      fc.property(secrets, secrets, (one, two) => {
        const isSame = Buffer.compare(one, two) === 0;
        expect(Buffer.compare(claimKeyOf(one).spki, claimKeyOf(two).spki) === 0).toBe(isSame);
        expect(claimKeyOf(one)).toEqual(claimKeyOf(Uint8Array.from(one)));
      }),
    );
  });

  it("signs what only its own public half verifies", () => {
    fc.assert(
      fc.property(secrets, (secret) => {
        const { spki } = claimKeyOf(secret);
        const signature = signed(secret);
        expect(verifySignature({ spki, message, signature })).toBe(true);
        const other = claimKeyOf(Uint8Array.from(secret, (octet) => octet ^ 1));
        expect(verifySignature({ spki: other.spki, message, signature })).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  // RFC 8032 §5.1.5 with the seed below: OpenSSL made this public key of it.
  it("stays what it was in the first version: claims outlive programs", () => {
    const { spki } = claimKeyOf(new Uint8Array(32).fill(7));
    expect(Buffer.from(spki).toString("hex")).toBe(
      "302a300506032b6570032100644d39d363364dbfe8d6386bd2154d80bd084cfb3f8bf9a6392df1a8b543049e",
    );
  });
});
