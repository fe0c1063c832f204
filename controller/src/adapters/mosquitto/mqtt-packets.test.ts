import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BrokerPacket,
  connectPacket,
  packetsIn,
  pingPacket,
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
    expect(hex(publishPacket("t"))).toBe("3004000174" + "00");
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
        const published = topics.map((one) => ({ type: "publish", topic: one }));
        expect(seen).toEqual([{ type: "connack", code: 5 }, ...published, { type: "pingresp" }]);
      }),
    );
  });

  it("end in a typed error or nothing for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = packetsIn(() => undefined);
        try {
          read(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: "message-invalid" });
        }
      }),
    );
  });
});
