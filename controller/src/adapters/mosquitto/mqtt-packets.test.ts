import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BrokerPacket,
  confirmedPublishPacket,
  connectPacket,
  packetsIn,
  pingPacket,
  pubackPacket,
  publishPacket,
  subscribePacket,
} from "./mqtt-packets.ts";

describe("packets for an external broker", () => {
  it("are those of MQTT 3.1.1", () => {
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
    expect(hex(connectPacket("a", undefined))).toBe("100d00044d5154540402003c000161");
    expect(hex(connectPacket("a", { username: "u", password: "p" }))).toBe(
      "101300044d51545404c2003c000161000175000170",
    );
    expect(hex(subscribePacket("#"))).toBe("8206000100012300");
    expect(hex(subscribePacket("#", { packetId: 258, qos: 1 }))).toBe("8206010200012301");
    expect(hex(publishPacket("t"))).toBe("3004000174" + "00");
    const said = { topic: "t", payload: Uint8Array.of(7), packetId: 258 };
    expect(hex(confirmedPublishPacket({ ...said, retain: true }))).toBe("3306000174" + "0102" + "07");
    expect(hex(confirmedPublishPacket({ ...said, retain: false }))).toBe("3206000174" + "0102" + "07");
    expect(hex(pubackPacket(258))).toBe("40020102");
    expect(hex(pingPacket)).toBe("c000");
  });

  it("are read however the network cuts them", () => {
    const topic = fc.string({ minLength: 1, maxLength: 300, unit: "grapheme-ascii" });
    fc.assert(
      fc.property(fc.array(topic, { maxLength: 8 }), fc.array(fc.nat(40), { maxLength: 60 }), (topics, cuts) => {
        const bytes = Buffer.concat([
          Uint8Array.of(0x20, 2, 0, 5),
          ...topics.map(publishPacket),
          Uint8Array.of(0xd0, 0),
        ]);
        const seen: BrokerPacket[] = [];
        const read = packetsIn((packet) => seen.push(packet));
        let from = 0;
        for (const cut of cuts) {
          read(bytes.subarray(from, from + cut));
          from += cut;
        }
        read(bytes.subarray(from));
        const published = topics.map((one) => ({
          ...{ type: "publish", topic: one, payload: Uint8Array.of(0), packetId: undefined, isRetained: false },
        }));
        expect(seen).toEqual([{ type: "connack", code: 5 }, ...published, { type: "pingresp" }]);
      }),
    );
  });

  it("keep topic, payload, number and whether they are retained", () => {
    const topic = fc.string({ minLength: 1, maxLength: 300, unit: "grapheme-ascii" });
    const payload = fc.uint8Array({ maxLength: 3000 });
    fc.assert(
      fc.property(
        topic,
        payload,
        fc.integer({ min: 1, max: 0xffff }),
        fc.boolean(),
        (name, bytes, packetId, retain) => {
          const seen: BrokerPacket[] = [];
          packetsIn((packet) => seen.push(packet))(
            confirmedPublishPacket({ topic: name, payload: bytes, packetId, retain }),
          );
          expect(seen).toEqual([{ type: "publish", topic: name, payload: bytes, packetId, isRetained: retain }]);
        },
      ),
    );
  });

  it("are refused when they say they are larger than any of ours", () => {
    expect(() => packetsIn(() => undefined)(Uint8Array.of(0x30, 0xff, 0xff, 0x7f))).toThrow(/2097151 octets/);
  });

  it("end in a typed error or nothing for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = packetsIn(() => undefined);
        try {
          read(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^message-(invalid|too-large)$/) });
        }
      }),
    );
  });
});
