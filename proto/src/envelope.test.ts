import { FleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSigner } from "../../test/support/keys/test-signer.ts";
import {
  addSignature,
  decodeEnvelope,
  isSignedBy,
  maxEnvelopeBytes,
  payloadTypes,
  preAuthenticationEncoding,
  signEnvelope,
  signerHints,
} from "./envelope.ts";
import { fleetcert } from "./generated/v1.js";

const signer = testSigner("P-256");
const other = testSigner("Ed25519");

describe("the signed envelope", () => {
  it("uses the pre-authentication encoding of DSSE, by its published example", () => {
    // github.com/secure-systems-lab/dsse, protocol.md, "Test Vectors".
    const encoded = preAuthenticationEncoding("http://example.com/HelloWorld", Buffer.from("hello world"));
    expect(Buffer.from(encoded).toString()).toBe("DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  });

  it("counts octets, not characters", () => {
    const encoded = preAuthenticationEncoding("ü", Buffer.from("é"));
    expect(Buffer.from(encoded).toString()).toBe("DSSEv1 2 ü 2 é");
  });

  it("gives back payload and type, and is signed by its signers only", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (payload) => {
        const envelope = decodeEnvelope(await signEnvelope(payloadTypes.message, payload, signer));
        expect(Buffer.from(envelope.payload)).toEqual(Buffer.from(payload));
        expect(envelope.payloadType).toBe(payloadTypes.message);
        expect([isSignedBy(envelope, signer.spki), isSignedBy(envelope, other.spki)]).toEqual([true, false]);
      }),
      { numRuns: 30 },
    );
  });

  it("takes a second signature without disturbing the first", async () => {
    const first = await signEnvelope(payloadTypes.trustBundle, Buffer.from("roots"), signer);
    const envelope = decodeEnvelope(await addSignature(first, other));
    expect(isSignedBy(envelope, signer.spki)).toBe(true);
    expect(isSignedBy(envelope, other.spki)).toBe(true);
    expect(signerHints(envelope)).toHaveLength(2);
  });

  it("no longer verifies with any octet of its payload changed, or with the other payload type", async () => {
    const envelope = decodeEnvelope(await signEnvelope(payloadTypes.message, Buffer.from("the payload"), signer));
    for (let at = 0; at < envelope.payload.length; at++) {
      const payload = Uint8Array.from(envelope.payload, (octet, index) => (index === at ? octet ^ 1 : octet));
      expect(isSignedBy({ ...envelope, payload }, signer.spki)).toBe(false);
    }
    expect(isSignedBy({ ...envelope, payloadType: payloadTypes.trustBundle }, signer.spki)).toBe(false);
  });

  it("says no, and does not throw, for a key or signature that is nonsense", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.uint8Array({ maxLength: 120 }), (spki, signature) => {
        const envelope = { payloadType: payloadTypes.message, payload: spki, signatures: [{ keyId: "", signature }] };
        expect(isSignedBy(envelope, spki)).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it("answers any bytes with an envelope or a typed error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          expect(decodeEnvelope(bytes).signatures.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(FleetError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is refused above its size limit, before it is decoded and before it is sent", async () => {
    const refused = expect.objectContaining({ code: "message-too-large" });
    expect(() => decodeEnvelope(new Uint8Array(maxEnvelopeBytes + 1))).toThrow(refused);
    await expect(signEnvelope(payloadTypes.message, new Uint8Array(maxEnvelopeBytes), signer)).rejects.toThrow(refused);
  });

  it.each([
    ["no signature", [], "message-invalid"],
    ["five signatures", Array(5).fill({ keyId: new Uint8Array(32), signature: new Uint8Array(1) }), "message-invalid"],
  ])("is refused with %s", (_, signatures, code) => {
    const payloadType = payloadTypes.message;
    const bytes = fleetcert.v1.SignedEnvelope.encode({ payloadType, payload: new Uint8Array(1), signatures }).finish();
    expect(() => decodeEnvelope(bytes)).toThrow(expect.objectContaining({ code }));
  });

  it("is refused with version-unsupported when its payload type is unknown", () => {
    const signatures = [{ keyId: new Uint8Array(32), signature: new Uint8Array(1) }];
    const payloadType = "application/vnd.fleetcert.message.v2+protobuf";
    const bytes = fleetcert.v1.SignedEnvelope.encode({ payloadType, signatures }).finish();
    expect(() => decodeEnvelope(bytes)).toThrow(expect.objectContaining({ code: "version-unsupported" }));
  });
});
