import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tags } from "../asn1/der-reader.ts";
import { derElement, derSequence, derSetOf, derText } from "../asn1/der-writer.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import { isFleetError } from "../errors.ts";
import { DistinguishedName, encodeName } from "./distinguished-name.ts";

const attribute = (text: string, tag: number = tags.utf8String, oid = "2.5.4.3"): Uint8Array =>
  derSequence(encodeOid(oid), derText(tag, text));

const name = (...rdns: Uint8Array[][]): DistinguishedName =>
  DistinguishedName.parse(derSequence(...rdns.map(derSetOf)));

describe("distinguished names", () => {
  it("read back what was written", () => {
    const texts = fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
      .filter((text) => !text.includes("\0") && text.length <= 64);
    fc.assert(
      fc.property(texts, texts, (commonName, organization) => {
        const parsed = DistinguishedName.parse(encodeName({ commonName, organization }));
        expect([parsed.commonName, parsed.organization]).toEqual([commonName, organization]);
      }),
    );
  });

  it("are equal when only white space, ASCII case or the string type differ", () => {
    const usual = name([attribute("Plant Seven")]);
    expect(usual.equals(name([attribute("  plant \t seven ", tags.printableString)]))).toBe(true);
    expect(usual.equals(name([attribute("plant seventy")]))).toBe(false);
    expect(usual.equals(name([attribute("Plant Seven")], [attribute("x")]))).toBe(false);
    expect(name([attribute("Ä")]).equals(name([attribute("ä")]))).toBe(false);
  });

  it("are equal whatever the order inside a part of several attributes", () => {
    const [first, second] = [attribute("A b"), attribute("c", tags.utf8String, "2.5.4.10")];
    const folded = [attribute("a B"), attribute("C", tags.utf8String, "2.5.4.10")];
    expect(name([first, second]).equals(name(folded))).toBe(true);
  });

  it("lie in the subtree of each of their beginnings", () => {
    const base = name([attribute("a")], [attribute("b")]);
    expect(name([attribute("A")], [attribute("b")], [attribute("c")]).isWithin(base)).toBe(true);
    expect(base.isWithin(base)).toBe(true);
    expect(name([attribute("a")]).isWithin(base)).toBe(false);
  });

  it("are shown with everything escaped that could fool a reader or a terminal", () => {
    expect(DistinguishedName.parse(encodeName({ commonName: "# a,b+c\u001b[31m ", organization: "x" })).text).toBe(
      "CN=\\# a\\,b\\+c\\1b[31m\\ ,O=x",
    );
  });

  it("refuse NUL, which cuts names short in C programs", () => {
    expect(() => name([attribute("good.example\0.evil.example")])).toThrow("NUL");
    expect(() => encodeName({ commonName: "a\0b" })).toThrow(expect.objectContaining({ code: "der-invalid" }));
  });

  it("refuse text that is not in the encoding its type says", () => {
    const raw = (tag: number, ...octets: number[]) =>
      derSequence(encodeOid("2.5.4.3"), derElement(tag, Uint8Array.from(octets)));
    expect(() => name([raw(tags.utf8String, 0xc3)])).toThrow("UTF-8");
    expect(() => name([raw(tags.printableString, 0xc3)])).toThrow("ASCII");
    expect(() => name([raw(tags.bmpString, 0, 65, 0)])).toThrow("cut off");
    expect(() => name([raw(tags.bmpString, 0xd8, 0)])).toThrow("no character");
    expect(name([raw(tags.bmpString, 0x20, 0xac)]).commonName).toBe("€");
    expect(name([raw(tags.universalString, 0, 1, 0xf6, 0)]).commonName).toBe("😀");
  });

  it("show attributes that are no text as hex", () => {
    const der = derSequence(encodeOid("2.5.4.45"), derElement(tags.bitString, Uint8Array.of(0, 1)));
    expect(name([der]).text).toBe("2.5.4.45=#03020001");
  });

  it("give a typed error or a name for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        try {
          DistinguishedName.parse(derSequence(noise));
        } catch (error) {
          expect(isFleetError(error, "der-invalid")).toBe(true);
        }
      }),
    );
  });
});
