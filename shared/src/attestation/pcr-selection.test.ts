import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFleetError } from "../errors.ts";
import { formatPcrSelections, parsePcrSelections } from "./pcr-selection.ts";

describe("PCRs as people write them", () => {
  it("are read in any order, and written in one", () => {
    expect(parsePcrSelections("sha256:7,0,7+sha384:23")).toEqual([
      { hash: "sha256", indices: [0, 7] },
      { hash: "sha384", indices: [23] },
    ]);
    expect(formatPcrSelections(parsePcrSelections("sha512:3,2"))).toBe("sha512:2,3");
    expect(formatPcrSelections([{ hash: "sha256", indices: [] }])).toBe("no PCR");
  });

  it.each(["", "sha1:0", "sha256:", "sha256:24", "sha256:0,", "sha256:0+sha256:1", "sha256:-1", "constructor:0"])(
    "refuses %j",
    (text) => {
      expect(() => parsePcrSelections(text)).toThrow(expect.objectContaining({ code: "request-invalid" }));
    },
  );

  it("reads any text as PCRs it can write again, or says request-invalid", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^sha(256|384):[0-9,]{1,8}(\+sha512:[0-9]{1,2})?$/)),
        (text) => {
          let read: ReturnType<typeof parsePcrSelections>;
          try {
            read = parsePcrSelections(text);
          } catch (error) {
            expect(isFleetError(error, "request-invalid")).toBe(true);
            return;
          }
          expect(parsePcrSelections(formatPcrSelections(read))).toEqual(read);
        },
      ),
      { numRuns: 300 },
    );
  });
});
