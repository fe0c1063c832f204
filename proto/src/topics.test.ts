import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { downKinds, upKinds } from "./message.ts";
import {
  bootstrapClientId,
  bootstrapSubscriptions,
  deviceSubscriptions,
  formatTopic,
  isBootstrapClientId,
  mayDeviceSubscribe,
  parseTopic,
  type Topic,
} from "./topics.ts";

describe("topics", () => {
  it("parse back to what they were built from", () => {
    fc.assert(
      fc.property(anyTopic, (topic) => {
        expect(parseTopic(formatTopic(topic))).toEqual(topic);
      }),
      { numRuns: 500 },
    );
  });

  it("are the only text that parses: whatever parses, builds the same text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 300 }), brokenTopics), (text) => {
        const topic = parseTopic(text);
        if (topic !== undefined) expect(formatTopic(topic)).toBe(text);
        expect(topic === undefined || typeof topic.type === "string").toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ["another version", "fleetcert/2/device/d1/up/renew"],
    ["a level too many", "fleetcert/1/device/d1/up/renew/x"],
    ["an empty level", "fleetcert/1/device//up/renew"],
    ["a device in capitals", "fleetcert/1/device/D1/up/renew"],
    ["a wildcard as device", "fleetcert/1/device/+/up/renew"],
    ["a down kind going up", "fleetcert/1/device/d1/up/issued"],
    ["a number with a leading zero", "fleetcert/1/fleet/trust/01"],
    ["a part past 16 bits", `fleetcert/1/fleet/revocation/${"a".repeat(64)}/1/crl/1/65536`],
    ["a step of three numbers", `fleetcert/1/fleet/revocation/${"a".repeat(64)}/1/delta/1-2-3`],
    ["an issuer in capitals", `fleetcert/1/fleet/revocation/${"A".repeat(64)}/head`],
    ["something of more than 256 characters", `fleetcert/1/fleet/trust/${"1".repeat(300)}`],
  ])("do not parse from %s", (_, text) => {
    expect(parseTopic(text)).toBeUndefined();
  });
});

describe("what a device may subscribe to", () => {
  it("is all it needs", () => {
    for (const filter of deviceSubscriptions("d1")) expect(mayDeviceSubscribe("d1", filter)).toBe(true);
    expect(mayDeviceSubscribe("d1", formatTopic(part))).toBe(true);
    expect(mayDeviceSubscribe("d1", "fleetcert/1/fleet/trust/4")).toBe(true);
    expect(mayDeviceSubscribe("d1", "fleetcert/1/device/d1/down/issued")).toBe(true);
  });

  it.each([
    "#",
    "$SYS/#",
    "fleetcert/#",
    "fleetcert/1/device/d2/down/#",
    "fleetcert/1/device/d2/desired",
    "fleetcert/1/device/+/desired",
    "fleetcert/1/device/d1/#",
    "fleetcert/1/device/d1/up/report",
    "fleetcert/1/fleet/#",
    "fleetcert/1/fleet/revocation/#",
    "fleetcert/1/fleet/revocation/+/+/crl/+/+",
    "fleetcert/1/bootstrap/+/down/#",
    bootstrapSubscriptions(bootstrapClientId("ab".repeat(32)))[0] ?? "",
    "$share/g/fleetcert/1/fleet/trust",
  ])("is not %s", (filter) => {
    expect(mayDeviceSubscribe("d1", filter)).toBe(false);
  });

  it("never includes another device's topics", () => {
    fc.assert(
      fc.property(anyTopic, (topic) => {
        if (!("device" in topic) || topic.device === "d1") return;
        expect(mayDeviceSubscribe("d1", formatTopic(topic))).toBe(false);
      }),
    );
  });
});

it("a bootstrap client id is made from a key and recognised", () => {
  const clientId = bootstrapClientId("0123456789abcdef".repeat(4));
  expect(clientId).toBe("boot-0123456789abcdef0123456789abcdef01234567");
  expect(isBootstrapClientId(clientId)).toBe(true);
  expect(isBootstrapClientId(`${clientId}0`)).toBe(false);
});

const issuer = fc.stringMatching(/^[0-9a-f]{64}$/);
const device = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,63}$/);
const clientId = fc.stringMatching(/^boot-[0-9a-f]{40}$/);
const shard = fc.nat(0xffff);
const number = fc.maxSafeNat();
const of = <T extends Topic["type"]>(...types: T[]) => fc.constantFrom(...types);
const upKind = fc.constantFrom(...upKinds);
const downKind = fc.constantFrom(...downKinds);

const anyTopic: fc.Arbitrary<Topic> = fc.oneof(
  fc.record({ type: of("up"), device, kind: upKind }),
  fc.record({ type: of("down"), device, kind: downKind }),
  fc.record({ type: of("desired"), device }),
  fc.record({ type: of("bootstrap-up"), clientId, kind: upKind }),
  fc.record({ type: of("bootstrap-down"), clientId, kind: downKind }),
  fc.record({ type: of("trust") }),
  fc.record({ type: of("trust-version"), version: number }),
  fc.record({ type: of("head"), issuer }),
  fc.record({ type: of("crl-part", "snapshot-part"), issuer, shard, epoch: number, part: fc.nat(0xffff) }),
  fc.record({ type: of("delta", "crl-patch"), issuer, shard, from: number, to: number }),
) as fc.Arbitrary<Topic>;

const part: Topic = { type: "crl-part", issuer: "ab".repeat(32), shard: 3, epoch: 7, part: 0 };

/** Real topics with one character put in or changed. */
const brokenTopics = fc
  .tuple(anyTopic, fc.nat(), fc.constantFrom("/", "+", "#", "0", "-", "A", "\0", "é"), fc.boolean())
  .map(([topic, at, character, replace]) => {
    const text = formatTopic(topic);
    const index = at % text.length;
    return text.slice(0, index) + character + text.slice(index + (replace ? 1 : 0));
  });
