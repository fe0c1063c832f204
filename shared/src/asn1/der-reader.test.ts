import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFleetError } from "../errors.ts";
import { DerReader, readDer, tags } from "./der-reader.ts";
import { derElement } from "./der-writer.ts";

const bytes = (...octets: number[]): Uint8Array => Uint8Array.from(octets);

const readAll = (der: Uint8Array): Uint8Array => {
  const reader = new DerReader(der);
  const content = reader.content(tags.octetString);
  reader.finish();
  return content;
};

describe("the DER reader", () => {
  it("hands out the content of an element as a view into the input", () => {
    const der = bytes(4, 2, 0xaa, 0xbb);
    expect(readAll(der)).toEqual(bytes(0xaa, 0xbb));
    expect(readAll(der).buffer).toBe(der.buffer);
  });

  it.each([
    ["an indefinite length", bytes(4, 0x80, 0, 0)],
    ["a length in more octets than needed", bytes(4, 0x81, 1, 0xaa)],
    ["a length with a leading zero octet", bytes(4, 0x82, 0, 0x80, ...new Uint8Array(128))],
    ["a length of five octets", bytes(4, 0x85, 0, 0, 0, 0, 1, 0xaa)],
    ["a length that is cut off", bytes(4, 0x82, 1)],
    ["content that is cut off", bytes(4, 3, 1, 2)],
    ["a tag without a length", bytes(4)],
    ["another tag", bytes(2, 1, 0)],
    ["a tag of several octets", bytes(0x1f, 0x81, 0, 0)],
    ["bytes behind the element", bytes(4, 1, 0, 0)],
    ["nothing", bytes()],
  ])("refuses %s", (_, der) => {
    expect(() => readAll(der)).toThrow(expect.objectContaining({ code: "der-invalid" }));
  });

  it("says at which byte of the whole input the defect is", () => {
    const der = bytes(0x30, 4, 0x30, 2, 2, 5);
    expect(() => new DerReader(der).enter(0x30).enter(0x30).content(tags.integer)).toThrow("at byte 4");
  });

  it("refuses elements nested deeper than any real object", () => {
    let der: Uint8Array = new Uint8Array(0);
    for (let depth = 0; depth < 100; depth++) der = derElement(tags.sequence, der);
    const descend = () => {
      for (let reader = new DerReader(der); !reader.isAtEnd; ) reader = reader.enter(tags.sequence);
    };
    expect(descend).toThrow(/nesting deeper/);
  });

  it("refuses more bytes than the caller allows before it looks at them", () => {
    const read = () => readDer(new Uint8Array(11), { tag: tags.sequence, maxBytes: 10 }, () => undefined);
    expect(read).toThrow("11 bytes, limit 10");
  });

  it("reads back every element the writer makes, whatever its length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000 }), (content) => {
        expect(readAll(derElement(tags.octetString, content))).toEqual(content);
      }),
      { numRuns: 50 },
    );
  });

  it("gives a typed error or an element for any bytes, and never reads past the end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        const reader = new DerReader(noise);
        try {
          while (!reader.isAtEnd) reader.element();
          expect(reader.position).toBe(noise.length);
        } catch (error) {
          expect(isFleetError(error, "der-invalid")).toBe(true);
          expect(reader.position).toBeLessThanOrEqual(noise.length);
        }
      }),
    );
  });
});
