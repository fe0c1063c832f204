import { sha256 } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CourierFile,
  courierPartHashes,
  decodeCourierFile,
  encodeCourierFile,
  maxCourierBytes,
  requireCourierParts,
} from "./courier-file.ts";
import type { Topic } from "./topics.ts";

const issuer = "ab".repeat(32);
const topics: readonly Topic[] = [
  { type: "up", device: "edge-1", kind: "renew" },
  { type: "down", device: "edge-1", kind: "issued" },
  { type: "trust" },
  { type: "head", issuer },
  { type: "snapshot-part", issuer, shard: 2, epoch: 7, part: 0 },
];
const part = fc.record({
  topic: fc.constantFrom(...topics),
  payload: fc.uint8Array({ minLength: 1, maxLength: 200 }),
});
const file: fc.Arbitrary<CourierFile> = fc.record({
  manifest: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  parts: fc.array(part, { maxLength: 6 }),
});
const small: CourierFile = {
  manifest: Uint8Array.of(1, 2, 3),
  parts: [
    { topic: topics[0] as Topic, payload: Uint8Array.of(4, 5) },
    { topic: topics[2] as Topic, payload: Uint8Array.of(6) },
  ],
};
const read = (bytes: Uint8Array) => decodeCourierFile(bytes, maxCourierBytes.request);

/** The same file as somebody would make it who means harm: the checksum fits. */
function withChecksum(bytes: Uint8Array): Uint8Array {
  const whole = bytes.subarray(0, -32);
  return new Uint8Array(Buffer.concat([whole, sha256(whole)]));
}

describe("a courier file", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(file, (one) => {
        expect(read(encodeCourierFile(one))).toEqual(one);
      }),
    );
  });

  it("is refused as damaged when any bit of it is another", () => {
    const bytes = encodeCourierFile(small);
    for (let at = 0; at < bytes.length * 8; at++) {
      const flipped = Uint8Array.from(bytes);
      flipped[at >> 3] = (flipped[at >> 3] as number) ^ (1 << (at & 7));
      expect(() => read(flipped), `bit ${at}`).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(bundle-damaged|version-unsupported)$/) }),
      );
    }
  });

  it("is refused as damaged wherever it ends too early", () => {
    const bytes = encodeCourierFile(small);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => read(bytes.subarray(0, length))).toThrow(expect.objectContaining({ code: "bundle-damaged" }));
    }
  });

  it("never becomes another that reads the same: octets that belong to nothing are refused, whatever the checksum says", () => {
    const bytes = encodeCourierFile(small);
    // Field 3 of the file, a field nobody knows: one octet long.
    const unknown = Uint8Array.of(0x1a, 1, 7);
    const body = Buffer.concat([bytes.subarray(0, -32), unknown, bytes.subarray(-32)]);
    expect(() => read(withChecksum(body))).toThrow(expect.objectContaining({ code: "message-invalid" }));
    // Two manifests: protobuf would take the last.
    const merged = Buffer.concat([bytes.subarray(0, -32), encodeCourierFile(small).subarray(8)]);
    expect(() => read(withChecksum(merged))).toThrow(expect.objectContaining({ code: "message-invalid" }));
  });

  it("gives either a typed refusal or a file, for any bytes", () => {
    const any = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(file, fc.nat(), fc.nat(255)).map(([one, at, octet]) => {
        const bytes = Uint8Array.from(encodeCourierFile(one));
        bytes[8 + (at % (bytes.length - 40))] = octet;
        return withChecksum(bytes);
      }),
    );
    fc.assert(
      fc.property(any, (bytes) => {
        try {
          expect(encodeCourierFile(read(bytes))).toEqual(bytes);
        } catch (error) {
          expect(error).toMatchObject({
            code: expect.stringMatching(/^(bundle-damaged|message-invalid|version-unsupported|message-too-large)$/),
          });
        }
      }),
    );
  });

  it("is refused before it is looked at when it is larger than its way allows", () => {
    expect(() => decodeCourierFile(new Uint8Array(1001), 1000)).toThrow(
      expect.objectContaining({ code: "message-too-large" }),
    );
  });

  it("is refused with more parts than a manifest can name, and with a part that fits no envelope", () => {
    const parts = Array.from({ length: 1025 }, () => ({ topic: topics[2] as Topic, payload: Uint8Array.of(1) }));
    expect(() => read(encodeCourierFile({ manifest: Uint8Array.of(1), parts }))).toThrow(
      expect.objectContaining({ code: "message-invalid" }),
    );
    const large = [{ topic: topics[2] as Topic, payload: new Uint8Array(60 * 1024 + 1) }];
    expect(() => read(encodeCourierFile({ manifest: Uint8Array.of(1), parts: large }))).toThrow(
      expect.objectContaining({ code: "message-invalid" }),
    );
  });

  it("of a later version is told as one", () => {
    const bytes = encodeCourierFile(small);
    bytes[7] = 2;
    expect(() => read(withChecksum(bytes))).toThrow(expect.objectContaining({ code: "version-unsupported" }));
  });
});

describe("the parts of a bundle", () => {
  const parts = small.parts;
  const named = courierPartHashes(parts);

  it("are those of the manifest, all of them and in its order", () => {
    expect(() => requireCourierParts(parts, named)).not.toThrow();
    const [first, second] = parts as [(typeof parts)[0], (typeof parts)[0]];
    for (const wrong of [
      [],
      [first],
      [second, first],
      [first, second, second],
      [first, { ...second, topic: first.topic }],
    ]) {
      expect(() => requireCourierParts(wrong, named)).toThrow(expect.objectContaining({ code: "signature-invalid" }));
    }
  });
});
