import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tags } from "./der-reader.ts";
import { type DerPart, derTree, encodeTree } from "./der-tree.ts";
import { concatBytes, derElement } from "./der-writer.ts";

describe("a tree of DER elements", () => {
  it("is written as the same elements made one by one", () => {
    const { part } = fc.letrec<{ part: DerPart }>((tie) => ({
      part: fc.oneof(
        { depthSize: "small" },
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: "binary", maxLength: 150 }),
        fc.array(tie("part"), { maxLength: 4 }).map((inner) => derTree(tags.sequence, ...inner)),
      ),
    }));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        expect(encodeTree(derTree(tags.set, ...parts))).toEqual(oneByOne(derTree(tags.set, ...parts)));
      }),
    );
  });

  it("has lengths of every size in minimal form", () => {
    for (const length of [0, 127, 128, 255, 256, 65_535, 65_536, 16_777_216]) {
      const content = new Uint8Array(length);
      const expected = Buffer.from(derElement(tags.octetString, content));
      expect(expected.equals(encodeTree(derTree(tags.octetString, content)))).toBe(true);
    }
  });
});

function oneByOne(part: DerPart): Uint8Array {
  if (typeof part === "string") return new Uint8Array(Buffer.from(part, "utf8"));
  return part instanceof Uint8Array ? part : derElement(part.tag, concatBytes(...part.contents.map(oneByOne)));
}
