import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeviceId } from "../device-id.ts";
import { keyQualifyingData, quoteQualifyingData } from "./qualifying-data.ts";

const device = DeviceId.parse("press-7");

describe("qualifying data", () => {
  it("is the SHA-256 over the label and every fact behind its length", () => {
    const fields = ["fleetcert/1/attested-key", "press-7", "identity", "12", "\x01\x02"];
    const hash = createHash("sha256");
    for (const field of fields) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(field.length);
      hash.update(length).update(field, "latin1");
    }
    const data = keyQualifyingData({ device, slot: "identity", generation: 12, spki: Uint8Array.of(1, 2) });
    expect(Buffer.from(data)).toEqual(hash.digest());
  });

  it("differs when a character moves from one fact to the next", () => {
    const text = fc.stringMatching(/^[a-z0-9]{1,6}$/);
    fc.assert(
      fc.property(text, text, fc.nat(99), (slot, more, generation) => {
        const spki = new Uint8Array(1);
        const one = keyQualifyingData({ device: DeviceId.parse(`a${more}`), slot, generation, spki });
        const other = keyQualifyingData({ device: DeviceId.parse("a"), slot: `${more}${slot}`, generation, spki });
        expect(one).not.toEqual(other);
      }),
    );
  });

  it("of a quote is never that of a key", () => {
    const nonce = Uint8Array.of(1);
    expect(quoteQualifyingData({ device, nonce })).not.toEqual(
      keyQualifyingData({ device, slot: "", generation: 0, spki: nonce }),
    );
  });
});
