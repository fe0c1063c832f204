import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FleetError } from "../errors.ts";
import { Secret } from "../key/secret.ts";
import { formatClaimString, parseClaimString } from "./claim-string.ts";

const characters = (text: string): fc.Arbitrary<string> => fc.constantFrom(...text);
const claims = fc.record({
  claimId: fc.string({ unit: characters("abc019z"), minLength: 8, maxLength: 20 }),
  secret: fc
    .uint8Array({ minLength: 17, maxLength: 64 })
    .map((bytes) => Secret.of(Buffer.from(bytes).toString("base64url"))),
  rootSha256: fc.string({ unit: characters("0123456789abcdef"), minLength: 64, maxLength: 64 }),
  fleet: fc.string({ unit: characters("ab0"), minLength: 1, maxLength: 63 }),
});
const anew = fc.record({
  device: fc.string({ unit: characters("ab.0_-"), maxLength: 63 }).map((text) => `d${text}`),
  generation: fc.integer({ min: 1, max: 999_999_999 }),
});

describe("a claim string", () => {
  it("reads back as what was written, with white space around it", () => {
    fc.assert(
      fc.property(claims, (claim) => {
        const read = parseClaimString(` ${formatClaimString(claim)}\n`);
        expect({ ...read, secret: read.secret.reveal() }).toEqual({ ...claim, secret: claim.secret.reveal() });
      }),
    );
  });

  it("names the one device it lets enrol anew, and the generation to begin with", () => {
    fc.assert(
      fc.property(claims, anew, (claim, reenrolment) => {
        const text = formatClaimString({ ...claim, reenrolment });
        expect(text.startsWith("fc2.")).toBe(true);
        expect(parseClaimString(text).reenrolment).toEqual(reenrolment);
        expect(() => parseClaimString(text.replace("fc2.", "fc1."))).toThrow(FleetError);
        expect(() => parseClaimString(text.slice(0, -reenrolment.device.length - 1))).toThrow(FleetError);
      }),
    );
  });

  it("is refused with one typed error, which does not repeat the text, when it is anything else", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const error = catching(() => parseClaimString(`fc1.${text}.private`));
        expect(error).toMatchObject({ code: "claim-malformed" });
        expect(error.message).not.toContain("private");
      }),
    );
  });

  it("never shows its secret when it is printed", () => {
    const claim = parseClaimString(`fc1.abcdefgh.${"s".repeat(43)}.${"0".repeat(64)}.demo`);
    expect(JSON.stringify(claim)).not.toContain("ssss");
  });
});

function catching(work: () => unknown): FleetError {
  try {
    work();
  } catch (error) {
    if (error instanceof FleetError) return error;
  }
  throw new Error("nothing typed was thrown");
}
