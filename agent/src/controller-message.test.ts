import { type Body, encodeMessage, type Message, payloadTypes, signEnvelope, type TrustBundle } from "@fleetcert/proto";
import type { Signer } from "@fleetcert/shared";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { aBundle, aCommandKey, aRoot, testFleet, testNow } from "../../test/support/pki/fleet-trust.ts";
import { openControllerMessage } from "./controller-message.ts";

const keys = {
  messages: aCommandKey("messages"),
  time: aCommandKey("time"),
  heads: aCommandKey("heads", { issuers: ["ab".repeat(32)] }),
  stranger: aCommandKey("messages"),
};
const received: Body = { type: "received" };
const token: Body = { type: "time-token", nonce: new Uint8Array(16), now: testNow, trustBundles: [] };
const head = (issuer: string): Body => ({
  type: "head",
  issuer,
  era: 1,
  epoch: 1,
  thisUpdate: 1,
  nextUpdate: 2,
  shards: [],
});

describe("a message of the controller", () => {
  let bundle: TrustBundle;
  beforeAll(async () => {
    const root = await aRoot();
    const commandKeys = [keys.messages.entry, keys.time.entry, keys.heads.entry];
    bundle = aBundle({ roots: [root.certificate.der], commandKeys });
  });
  const seal = (body: Body, signer: Signer, changes: Partial<Message> = {}) => {
    const message = {
      fleet: testFleet,
      direction: "controller-to-device" as const,
      sender: "controller",
      recipient: "pump-1",
      messageId: "0".repeat(31).concat("1"),
      inReplyTo: undefined,
      sentAt: testNow,
      expiresAt: testNow + 300_000,
      sequence: undefined,
      traceparent: undefined,
      ...changes,
      body,
    };
    return signEnvelope(payloadTypes.message, encodeMessage(message), signer);
  };
  const open = (bytes: Uint8Array, recipient = "pump-1") => openControllerMessage(bytes, { bundle, recipient });
  const codeOf = async (bytes: Promise<Uint8Array>, recipient?: string) => {
    const sealed = await bytes;
    try {
      open(sealed, recipient);
      return "opened";
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };

  it("opens when a command key for its kind signed it, for us, in its time", async () => {
    expect(open(await seal(received, keys.messages.signer)).body).toEqual(received);
    expect(open(await seal(token, keys.time.signer)).body).toEqual(token);
    const toFleet = { direction: "controller-to-fleet", recipient: "fleet" } as const;
    expect(open(await seal(head("ab".repeat(32)), keys.heads.signer, toFleet), "fleet").kind).toBe("head");
  });

  it("is refused from a key that is not in the bundle", async () => {
    expect(await codeOf(seal(received, keys.stranger.signer))).toBe("signature-invalid");
  });

  it("is refused from a key for another use, or for another issuer", async () => {
    expect(await codeOf(seal(received, keys.time.signer))).toBe("signer-not-allowed");
    expect(await codeOf(seal(token, keys.messages.signer))).toBe("signer-not-allowed");
    const toFleet = { direction: "controller-to-fleet", recipient: "fleet" } as const;
    expect(await codeOf(seal(head("cd".repeat(32)), keys.heads.signer, toFleet), "fleet")).toBe("signer-not-allowed");
  });

  it("is refused when the key was not valid at the time it was sent", async () => {
    const { notBefore, notAfter } = keys.messages.entry;
    expect(await codeOf(seal(received, keys.messages.signer, { sentAt: notBefore - 3_600_000 }))).toBe("opened");
    expect(await codeOf(seal(received, keys.messages.signer, { sentAt: notBefore - 3_600_001 }))).toBe(
      "signer-not-allowed",
    );
    expect(await codeOf(seal(received, keys.messages.signer, { sentAt: notAfter + 1 }))).toBe("signer-not-allowed");
  });

  it.each<[string, Partial<Message>]>([
    ["another device", { recipient: "pump-2" }],
    ["another fleet", { fleet: "plant-8" }],
    ["another sender", { sender: "pump-2" }],
    ["another direction", { direction: "device-to-controller" }],
  ])("is refused when it is of or for %s", async (_, changes) => {
    expect(await codeOf(seal(received, keys.messages.signer, changes))).toBe("message-invalid");
  });

  it("is refused with a typed error when any octet of it is changed", async () => {
    const bytes = await seal(received, keys.messages.signer);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Uint8Array.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ change;
        // The key id is a hint; a byte of it that still leads to no other key changes nothing.
        expect(() => open(changed)).toThrow(expect.objectContaining({ code: expect.any(String) }));
      }),
    );
  });
});
