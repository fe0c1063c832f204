import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Serial } from "../certificate/serial.ts";
import { CrlEntries, type CrlEntry } from "./crl-entries.ts";
import { CrlEntryBuffer, type CrlEntryFields } from "./entry-buffer.ts";
import { type ReasonCode, reasonCodeNumbers } from "./reason-code.ts";

const magnitudes = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((octets) => octets.with(0, octets[0] || 1))
  .map((octets) => Buffer.from(octets).toString("hex"));
const seconds = fc.integer({ min: 0, max: 4_000_000_000 }).map((second) => second * 1000);
const fields = fc.record({
  serial: magnitudes,
  revokedAt: seconds,
  reason: fc.constantFrom(...(Object.keys(reasonCodeNumbers) as ReasonCode[])),
  invalidityDate: fc.option(seconds, { nil: undefined }),
});
const lists = fc.uniqueArray(fields, { selector: ({ serial }) => serial, maxLength: 40 });

const written = (entries: readonly CrlEntryFields[]) => {
  const buffer = new CrlEntryBuffer(0);
  for (const entry of entries) buffer.add(entry);
  return buffer;
};
const read = (entries: readonly CrlEntryFields[]) => new CrlEntries(written(entries).content);
const shown = (entries: Iterable<CrlEntry>) =>
  [...entries].map(({ serial, ...rest }) => ({ invalidityDate: undefined, ...rest, serial: serial.hex }));

describe("entries written one after the other", () => {
  it("are the same octets from a stored serial as from a parsed one, and read as what was put in", () => {
    fc.assert(
      fc.property(lists, (entries) => {
        const buffer = written(entries);
        const parsed = written(entries.map((entry) => ({ ...entry, serial: Serial.parse(entry.serial) })));
        expect(Buffer.from(buffer.content).equals(parsed.content)).toBe(true);
        expect(buffer.count).toBe(entries.length);
        expect(shown(read(entries))).toEqual(entries);
      }),
    );
  });

  it.each(["", "xy", "0G", "1ab", "00", "0012", "A1", "f".repeat(41), "1 "])("refuse %j as a serial", (serial) => {
    expect(() => written([{ serial, revokedAt: 0 }])).toThrow(expect.objectContaining({ code: "crl-invalid" }));
  });
});

describe("entries of a list", () => {
  it("hand over the octets of each serial in their order", () => {
    fc.assert(
      fc.property(lists, (entries) => {
        const serials: string[] = [];
        read(entries).eachSerial((bytes, start, length) =>
          serials.push(Serial.of(bytes.subarray(start, start + length)).hex),
        );
        expect(serials).toEqual(entries.map(({ serial }) => serial));
      }),
    );
  });

  it("differ from another list's by exactly those that it lacks or tells otherwise", () => {
    fc.assert(
      fc.property(lists, fc.array(fc.constantFrom("keep", "drop", "date", "reason", "validity")), (entries, acts) => {
        const other = entries.flatMap((entry, at): CrlEntryFields[] => {
          const act = acts[at] ?? "keep";
          if (act === "drop") return [];
          if (act === "date") return [{ ...entry, revokedAt: entry.revokedAt + 1000 }];
          if (act === "reason") return [{ ...entry, reason: entry.reason === "superseded" ? undefined : "superseded" }];
          return [act === "validity" ? { ...entry, invalidityDate: (entry.invalidityDate ?? 0) + 1000 } : entry];
        });
        const expected = entries.filter((_, at) => (acts[at] ?? "keep") !== "keep");
        expect(shown(read(entries).notIn(read(other.toReversed())))).toEqual(expected);
      }),
    );
  });
});
