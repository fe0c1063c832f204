import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PacketLengths } from "./packet-length.ts";

/** A packet of MQTT 3.1.1 with this many octets after its fixed header. */
function packet(length: number): Uint8Array {
  const header = [0x30];
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    const isLast = rest < 128;
    header.push((rest % 128) + (isLast ? 0 : 0x80));
    if (isLast) break;
  }
  return Uint8Array.from([...header, ...new Array<number>(length).fill(0xff)]);
}

describe("the length guard of the MQTT stream", () => {
  it("lets any sequence of small packets pass, however it is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(300), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 50 })),
        (lengths, cuts) => {
          const stream = Buffer.concat(lengths.map(packet));
          const guard = new PacketLengths(300);
          let at = 0;
          for (const cut of [...cuts, stream.length]) {
            guard.follow(stream.subarray(at, at + cut));
            at += cut;
          }
        },
      ),
    );
  });

  it("refuses a packet above the limit as soon as its length is known", () => {
    const guard = new PacketLengths(1000);
    guard.follow(packet(1000));
    expect(() => guard.follow(packet(1001).subarray(0, 3))).toThrow(
      expect.objectContaining({ code: "message-too-large" }),
    );
  });

  it("refuses a length that has no end", () => {
    const guard = new PacketLengths(2 ** 31);
    expect(() => guard.follow(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x80))).toThrow(
      expect.objectContaining({ code: "message-invalid" }),
    );
  });

  it("ends in a typed error or passes, for any octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        try {
          new PacketLengths(100).follow(octets);
        } catch (error) {
          expect(["message-too-large", "message-invalid"]).toContain((error as { code?: string }).code);
        }
      }),
    );
  });
});
