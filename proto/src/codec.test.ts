import { FleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arbitraryBodies, arbitraryBody, arbitraryMessage } from "../../test/support/arbitrary-body.ts";
import { decodeBodyAtRest, encodeBodyAtRest } from "./body-at-rest.ts";
import { decodeMessage, encodeMessage, kindOf } from "./codec.ts";
import { fleetcert } from "./generated/v1.js";
import type { Body, BodyType, Message } from "./message.ts";

describe("the message codec", () => {
  it.each(Object.keys(arbitraryBodies) as BodyType[])("gives back every %s it encoded", (type) => {
    fc.assert(
      fc.property(arbitraryMessage(arbitraryBodies[type] as fc.Arbitrary<Body>), (message) => {
        expect(decodeMessage(encodeMessage(message))).toEqual({ ...message, kind: kindOf(type) });
      }),
      { numRuns: 40 },
    );
  });

  it("gives back every body at rest", () => {
    fc.assert(
      fc.property(arbitraryBody, (body) => {
        expect(decodeBodyAtRest(encodeBodyAtRest(body))).toEqual(body);
      }),
    );
  });

  it("answers any bytes with a message or a typed error", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), brokenMessages), (bytes) => {
        for (const decode of [decodeMessage, decodeBodyAtRest])
          expect(outcomeOf(() => decode(bytes))).not.toBe("crash");
      }),
      { numRuns: 500 },
    );
  });

  it("still makes and reads the bytes of the first version", () => {
    expect(Buffer.from(encodeMessage(ack)).toString("hex")).toBe(goldenHex);
    expect(decodeMessage(golden)).toEqual({ ...ack, kind: "ack" });
  });

  it("ignores fields it does not know, in the message and in its body", () => {
    const field99 = Buffer.from("9a06036e6577", "hex");
    const body = encodeMessage({ ...ack, body: { type: "received" }, recipient: "d1", sender: "controller" });
    const emptyReceived = Buffer.from("da0200", "hex");
    const receivedWithField99 = Buffer.concat([Buffer.from("da0206", "hex"), field99]);
    const at = Buffer.from(body).indexOf(emptyReceived);
    const grown = Buffer.concat([body.subarray(0, at), receivedWithField99, body.subarray(at + emptyReceived.length)]);
    expect(decodeMessage(Buffer.concat([golden, field99]))).toEqual(decodeMessage(golden));
    expect(at).toBeGreaterThan(0);
    expect(decodeMessage(grown)).toEqual(decodeMessage(body));
  });

  it.each([0, 2, 77])("refuses version %i with version-unsupported", (version) => {
    const wire = fleetcert.v1.Message.encode({ version, fleet: "f", kind: "received", received: {} }).finish();
    expect(() => decodeMessage(wire)).toThrow(expect.objectContaining({ code: "version-unsupported" }));
    expect(() => decodeBodyAtRest(wire)).toThrow(expect.objectContaining({ code: "version-unsupported" }));
  });

  it("refuses a message without a body it knows with version-unsupported", () => {
    const wire = fleetcert.v1.Message.encode({ version: 1, fleet: "f", kind: "novelty" }).finish();
    expect(() => decodeMessage(wire)).toThrow(expect.objectContaining({ code: "version-unsupported" }));
  });

  it.each([
    ["a kind that is not the body's", { kind: "report" }],
    ["an unknown direction", { direction: 9 as fleetcert.v1.Direction }],
    ["no direction", { direction: 0 }],
    ["a sender that is no device", { sender: "UPPER/case" }],
    ["a message id of 15 bytes", { messageId: new Uint8Array(15) }],
    ["an answered id of 17 bytes", { inReplyTo: new Uint8Array(17) }],
    ["a time past the safe integers", { sentAt: 2 ** 60 }],
    ["a fleet of 65 characters", { fleet: "f".repeat(65) }],
    ["a fleet with a line break", { fleet: "a\nb" }],
    ["a fleet with a bidi control", { fleet: "a\u202eb" }],
    ["an unknown stream", { sequence: { generation: 1, stream: 7 as fleetcert.v1.Stream, counter: 1 } }],
    ["a body out of its limits", { ack: null, kind: "challenge", challenge: { nonce: new Uint8Array(15) } }],
    ["a request of 4097 bytes", { ack: null, kind: "enrol", enrol: { ...enrol, csr: new Uint8Array(4097) } }],
    ["generation 0", { ack: null, kind: "enrol", enrol: { ...enrol, generation: 0 } }],
    ["an unknown protection", { ack: null, kind: "enrol", enrol: { ...enrol, protection: "magic" } }],
    ["a CRL length past 64 MiB", { ack: null, kind: "head", head: headWith({ crlLength: 64 * 1024 * 1024 + 1 }) }],
    ["513 shards", { ack: null, kind: "head", head: { issuer: new Uint8Array(32), shards: Array(513).fill({}) } }],
  ])("refuses %s with message-invalid", (_, change) => {
    const fields: fleetcert.v1.Message.$Properties = fleetcert.v1.Message.decode(golden);
    const wire = fleetcert.v1.Message.encode({ ...fields, ...(change as fleetcert.v1.Message.$Properties) }).finish();
    expect(() => decodeMessage(wire)).toThrow(expect.objectContaining({ code: "message-invalid" }));
  });
});

const ack: Omit<Message, "kind"> = {
  fleet: "plant-7",
  direction: "device-to-controller",
  sender: "d1",
  recipient: "controller",
  messageId: "0190a1b2c3d47e5f8a9b0c1d2e3f4051",
  inReplyTo: undefined,
  sentAt: 1_781_524_800_000,
  expiresAt: 1_781_525_100_000,
  sequence: { generation: 2, stream: "mqtt", counter: 1025 },
  traceparent: undefined,
  body: {
    type: "ack",
    issuer: "ab".repeat(32),
    era: 0,
    epoch: 7,
    headSha256: new Uint8Array(32).fill(0xcd),
    appliedAt: 1_781_524_799_000,
    via: "mqtt",
  },
};

const goldenHex =
  "08011207706c616e742d371801220361636b2a026431320a636f6e74726f6c6c65723a100190a1b2c3d47e5f8a9b0c1d" +
  "2e3f40514880c49cd9ec3350e0ebaed9ec335a0708021001188108ca014f0a20abababababababababababababababab" +
  "abababababababababababababababab18072220cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd" +
  "cdcdcdcd2898bc9cd9ec333001";
const golden = Buffer.from(goldenHex, "hex");

const enrol = { slot: "identity", generation: 1, csr: new Uint8Array(1), protection: "token" };

function headWith(shard: object): object {
  return { issuer: new Uint8Array(32), shards: [shard] };
}

/** Valid messages with some octets changed or cut off. */
const brokenMessages = fc
  .tuple(arbitraryMessage(), fc.nat(), fc.nat(255), fc.nat())
  .map(([message, at, octet, cut]) => {
    const bytes = Uint8Array.from(encodeMessage(message));
    bytes[at % bytes.length] = octet;
    return bytes.subarray(0, bytes.length - (cut % 4 === 0 ? cut % bytes.length : 0));
  });

function outcomeOf(act: () => unknown): "value" | "typed" | "crash" {
  try {
    act();
    return "value";
  } catch (error) {
    return error instanceof FleetError ? "typed" : "crash";
  }
}
