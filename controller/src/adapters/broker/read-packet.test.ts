import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  connectPacket,
  number16,
  packet,
  publishPacket,
  subscribePacket,
  text,
} from "../../../../test/support/broker/mqtt-packets.ts";
import { isTopicFilter, isTopicName } from "./mqtt-text.ts";
import { PacketSplitter } from "./packet-splitter.ts";
import { type ClientPacket, readPacket } from "./read-packet.ts";

const limits = { connectBytes: 4096, controlBytes: 65_536, publishBytes: 65_536 };

function read(bytes: Uint8Array): ClientPacket {
  const splitter = new PacketSplitter(limits);
  splitter.push(connectPacket({ clientId: "first" }));
  splitter.next();
  splitter.push(bytes);
  const frame = splitter.next();
  if (frame === undefined) throw new Error("no whole packet");
  return readPacket(frame);
}

const refused = (bytes: Uint8Array): void => {
  expect(() => read(bytes)).toThrow(expect.objectContaining({ code: "message-invalid" }));
};

describe("reading a client's packet", () => {
  it("takes a CONNECT with credentials apart", () => {
    expect(read(connectPacket({ clientId: "a", username: "u", password: "p", keepAlive: 30, clean: false }))).toEqual({
      type: "connect",
      clientId: "a",
      clean: false,
      keepAlive: 30,
      hasWill: false,
      username: "u",
      password: Buffer.from("p"),
    });
  });

  it("names the level of MQTT 3.1, 5 and unknown ones instead of reading on", () => {
    expect(read(connectPacket({ clientId: "a", protocol: "MQIsdp", level: 3 }))).toEqual({
      type: "connect-unsupported",
      level: 3,
    });
    expect(read(connectPacket({ clientId: "a", level: 5 }))).toEqual({ type: "connect-unsupported", level: 5 });
    expect(read(connectPacket({ clientId: "a", level: 0x84 }))).toEqual({ type: "connect-unsupported", level: 0x84 });
  });

  it("refuses a CONNECT whose flags contradict each other or its fields", () => {
    const withFlags = (flags: number, ...fields: Uint8Array[]): Buffer =>
      packet(0x10, [text("MQTT"), Buffer.from([4, flags]), number16(60), text("a"), ...fields]);
    refused(withFlags(0x03));
    refused(withFlags(0x0a));
    refused(withFlags(0x22));
    refused(withFlags(0x1e, text("t"), text("m")));
    refused(withFlags(0x42, text("p")));
    refused(withFlags(0x82));
    refused(withFlags(0x02, text("left over")));
    refused(withFlags(0x06, text("a/#"), text("m")));
  });

  it("takes a PUBLISH apart for every QoS", () => {
    expect(read(publishPacket({ topic: "a/b", payload: "x", packetId: 9, retain: true }))).toMatchObject({
      type: "publish",
      topic: "a/b",
      qos: 1,
      retain: true,
      packetId: 9,
    });
    expect(read(publishPacket({ topic: "a", payload: "x" }))).toMatchObject({ qos: 0, packetId: undefined });
  });

  it("refuses QoS 3, packet id 0, a wildcard or empty topic, and a duplicate of QoS 0", () => {
    refused(publishPacket({ topic: "a", packetId: 1, qos: 3 }));
    refused(publishPacket({ topic: "a", packetId: 0 }));
    refused(publishPacket({ topic: "a/+", packetId: 1 }));
    refused(publishPacket({ topic: "", packetId: 1 }));
    refused(packet(0x38, [text("a")]));
    refused(subscribePacket(0, "a"));
    refused(packet(0x40, [number16(0)]));
  });

  it("refuses text that is not clean UTF-8", () => {
    const bad = [
      "746f700000",
      "746feda080",
      "746f700170",
      "746f707f70",
      "746fc29f70",
      "746fedbfbf",
      "efbfbf",
      "efb790",
      "f09fbfbf",
      "c080",
      "ff",
    ];
    for (const hex of bad) {
      const bytes = Buffer.from(hex, "hex");
      refused(packet(0x30, [number16(bytes.length), bytes]));
    }
    expect(read(publishPacket({ topic: "A\u{2a6d4}" }))).toMatchObject({ topic: "A\u{2a6d4}" });
  });

  it("refuses a SUBSCRIBE without filters, with too many, or with a QoS above 2", () => {
    refused(packet(0x82, [number16(1)]));
    refused(packet(0x82, [number16(1), text("a"), Buffer.from([3])]));
    refused(packet(0x82, [number16(1), text("a")]));
    refused(subscribePacket(1, ...Array.from({ length: 257 }, (_, at) => `t${at}`)));
    expect(read(subscribePacket(1, "a", "b/#"))).toEqual({ type: "subscribe", packetId: 1, filters: ["a", "b/#"] });
  });

  it("lets wildcards only fill whole levels of a filter, and names no topic with them", () => {
    for (const filter of ["#", "+", "a/#", "+/a/+", "/", "a//b"]) expect(isTopicFilter(filter)).toBe(true);
    for (const filter of ["", "a#", "a/b#", "#/a", "a+", "a/+b/c", "++"]) expect(isTopicFilter(filter)).toBe(false);
    expect(isTopicName("a/#")).toBe(false);
  });

  it("answers any body with a packet or one typed error", () => {
    const headers = fc.constantFrom(0x10, 0x30, 0x31, 0x32, 0x34, 0x3a, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2, 0xc0, 0xe0);
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(fc.uint8Array({ maxLength: 6 }), fc.string({ maxLength: 9 }), fc.uint8Array({ maxLength: 6 }))
        .map(([before, middle, after]) => Buffer.concat([before, text(middle), after])),
    );
    fc.assert(
      fc.property(headers, body, (header, fields) => {
        try {
          expect(typeof read(packet(header, [fields])).type).toBe("string");
        } catch (error) {
          expect(error).toMatchObject({ code: "message-invalid" });
        }
      }),
      { numRuns: 500 },
    );
  });
});
