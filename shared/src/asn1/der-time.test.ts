import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DerReader, tags } from "./der-reader.ts";
import { derGeneralizedTime, derTime, readGeneralizedTime, readTime } from "./der-time.ts";
import { derText } from "./der-writer.ts";

const utc = (text: string): DerReader => new DerReader(derText(tags.utcTime, text));
const general = (text: string): DerReader => new DerReader(derText(tags.generalizedTime, text));

describe("times", () => {
  it("agree with the calendar of JavaScript for every second of ten thousand years", () => {
    const seconds = fc.integer({ min: -62_167_219_200, max: 253_402_300_799 });
    fc.assert(
      fc.property(seconds, (second) => {
        const text = `${new Date(second * 1000).toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`;
        expect(
          Buffer.from(derGeneralizedTime(second * 1000))
            .subarray(2)
            .toString(),
        ).toBe(text);
        expect(readGeneralizedTime(general(text))).toBe(second * 1000);
        expect(readTime(new DerReader(derTime(second * 1000)))).toBe(second * 1000);
      }),
      { numRuns: 1000 },
    );
  });

  it("are UTCTime from 1950 through 2049 and GeneralizedTime outside", () => {
    expect(derTime(Date.UTC(1950, 0, 1))[0]).toBe(tags.utcTime);
    expect(derTime(Date.UTC(2049, 11, 31, 23, 59, 59))[0]).toBe(tags.utcTime);
    expect(derTime(Date.UTC(2050, 0, 1))[0]).toBe(tags.generalizedTime);
    expect(derTime(Date.UTC(1949, 11, 31))[0]).toBe(tags.generalizedTime);
    expect(readTime(utc("491231235959Z"))).toBe(Date.UTC(2049, 11, 31, 23, 59, 59));
    expect(readTime(utc("500101000000Z"))).toBe(Date.UTC(1950, 0, 1));
  });

  it("lose their milliseconds when written", () => {
    expect(readTime(new DerReader(derTime(Date.UTC(2026, 1, 2, 3, 4, 5, 678))))).toBe(Date.UTC(2026, 1, 2, 3, 4, 5));
  });

  it.each(["260230000000Z", "261301000000Z", "260001000000Z", "260101240000Z", "260101006000Z", "260101000060Z"])(
    "refuse %s, which is on no calendar",
    (text) => {
      expect(() => readTime(utc(text))).toThrow("no real date");
    },
  );

  it.each(["2601010000Z", "260101000000+0000", "260101000000", "26010100000.Z", "26-101000000Z"])(
    "refuse %s, which RFC 5280 does not allow",
    (text) => {
      expect(() => readTime(utc(text))).toThrow(expect.objectContaining({ code: "der-invalid" }));
    },
  );

  it("refuse fractions of a second", () => {
    expect(() => readTime(general("20260101000000.5Z"))).toThrow(expect.objectContaining({ code: "der-invalid" }));
  });

  it("cannot be written beyond the year 9999", () => {
    expect(() => derTime(Date.UTC(10_000, 0, 1))).toThrow(expect.objectContaining({ code: "der-invalid" }));
    expect(() => derTime(Number.NaN)).toThrow(expect.objectContaining({ code: "der-invalid" }));
  });
});
