import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { connectPacket, packet, pingPacket, publishPacket } from "../../../../test/support/broker/mqtt-packets.ts";
import { PacketSplitter } from "./packet-splitter.ts";
import { readPacket } from "./read-packet.ts";

const limits = { connectBytes: 4096, controlBytes: 8192, publishBytes: 262_144 };
const connect = connectPacket({ clientId: "pump-1" });

/** Everything the guard decides about a stream: the packets it lets through, then the code it ends with. */
function decisions(chunks: readonly Uint8Array[]): string[] {
  const splitter = new PacketSplitter(limits);
  const found: string[] = [];
  try {
    for (const chunk of chunks) {
      splitter.push(chunk);
      for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) {
        found.push(`${readPacket(frame).type} ${Buffer.from(frame.bytes).toString("hex")}`);
      }
    }
    return found;
  } catch (error) {
    return [...found, (error as { code: string }).code];
  }
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    chunks.push(Uint8Array.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return [...chunks, Uint8Array.from(bytes.subarray(at))];
}

describe("the packet splitter", () => {
  it("refuses a first packet that is not CONNECT", () => {
    for (const first of [pingPacket, publishPacket({ topic: "a" }), Buffer.from("GET / HTTP/1.1")]) {
      expect(decisions([first])).toEqual(["message-invalid"]);
    }
  });

  it("refuses the first octet of a packet no client may send without waiting for its body", () => {
    for (const header of [0x00, 0x0f, 0x11, 0x20, 0x41, 0x60, 0x80, 0x83, 0x90, 0xa0, 0xb0, 0xd0, 0xf0]) {
      expect(decisions([connect, Buffer.from([header])]).at(-1)).toBe("message-invalid");
    }
  });

  it("refuses a CONNECT above its bound as soon as its length is known", () => {
    expect(decisions([Buffer.from([0x10, 0x80, 0x20])])).toEqual([]); // 4,096 octets
    expect(decisions([Buffer.from([0x10, 0x81, 0x20])])).toEqual(["message-too-large"]);
  });

  it("refuses a PUBLISH above its bound as soon as its length is known", () => {
    expect(decisions([connect, Buffer.from([0x30, 0x80, 0x80, 0x10])])).toHaveLength(1); // 262,144 octets
    expect(decisions([connect, Buffer.from([0x30, 0x81, 0x80, 0x10])]).at(-1)).toBe("message-too-large");
  });

  it("refuses any other packet above its bound as soon as its length is known", () => {
    expect(decisions([connect, Buffer.from([0x82, 0x80, 0x40])])).toHaveLength(1); // 8,192 octets
    expect(decisions([connect, Buffer.from([0x82, 0x81, 0x40])]).at(-1)).toBe("message-too-large");
  });

  it("refuses a length of five octets and one written longer than needed", () => {
    expect(decisions([Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff])])).toEqual(["message-invalid"]);
    expect(decisions([Buffer.from([0x10, 0x8c, 0x00])])).toEqual(["message-invalid"]);
  });

  it("decides the same however legal and illegal packets are chunked", () => {
    const tail = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.uint8Array({ maxLength: 300 }).map((payload) => publishPacket({ topic: "a/b", payload, packetId: 7 })),
      fc.constant(pingPacket),
      fc
        .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 20 }))
        .map(([header, body]) => packet(header, [body])),
    );
    const stream = fc.array(tail, { maxLength: 6 }).map((parts) => Buffer.concat([connect, ...parts]));
    fc.assert(
      fc.property(stream, fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 40 }), (bytes, sizes) => {
        expect(decisions(cut(bytes, sizes))).toEqual(decisions([bytes]));
      }),
    );
  });

  it("answers any bytes with packets or one typed error, whatever the chunks", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.integer({ min: 1, max: 9 })), (bytes, sizes) => {
        const all = decisions(cut(bytes, sizes));
        expect(all).toEqual(decisions([bytes]));
        expect(all.filter((each) => !/^(\S+ [0-9a-f]+|message-invalid|message-too-large)$/.test(each))).toEqual([]);
      }),
    );
  });

  it("takes a packet of the largest size in single octets in linear time", () => {
    const large = publishPacket({ topic: "a", payload: Buffer.alloc(limits.publishBytes - 3, 7) });
    const splitter = new PacketSplitter(limits);
    splitter.push(connect);
    splitter.next();
    for (const octet of large.subarray(0, -1)) splitter.push(Uint8Array.of(octet));
    expect(splitter.next()).toBeUndefined();
    splitter.push(large.subarray(-1));
    expect(splitter.next()?.bytes).toHaveLength(large.length);
  });
});
