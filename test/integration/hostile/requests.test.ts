import { createPrivateKey } from "node:crypto";
import { type Body, encodeMessage, payloadTypes, preAuthenticationEncoding } from "@fleetcert/proto";
import { type ErrorCode, encodeCsr, parseCertificate, sha256 } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fleetcert } from "../../../proto/src/generated/v1.js";
import { attackerCsr, ellipticKey, rsaKey } from "../../support/attackers/attacker-csr.ts";
import { AttackerDevice } from "../../support/attackers/attacker-device.ts";
import { refusal } from "../../support/attackers/attacker-verdict.ts";
import { type RealController, realController } from "../../support/controller/real-controller.ts";
import { messageOf } from "../../support/devices/device-messages.ts";
import { testSigner } from "../../support/keys/test-signer.ts";

let controller: RealController;
let good: AttackerDevice;
beforeAll(async () => {
  controller = await realController();
  good = await new AttackerDevice(controller, "good-1").join();
});
afterAll(() => controller.close());

const many = Array.from({ length: 10_000 }, (_, at) => `urn:x:${at}`);
const nul = Buffer.from("edge-1\u0000.evil");

const cases: readonly (readonly [string, () => Uint8Array, ErrorCode])[] = [
  ["is proven by another key", () => attackerCsr({ provenBy: ellipticKey("P-256") }), "csr-proof-invalid"],
  ["is proven by nothing", () => flipped(attackerCsr(), -5), "csr-proof-invalid"],
  ["was changed after it was signed", () => flipped(attackerCsr(), 24), "csr-proof-invalid"],
  ["holds an RSA key of 1,024 bits", () => attackerCsr({ key: rsaKey(1_024) }), "key-weak"],
  ["holds an RSA key with the exponent 3", () => attackerCsr({ key: rsaKey(2_048, 3) }), "key-weak"],
  ["holds a key on P-224", () => attackerCsr({ key: ellipticKey("P-224") }), "key-weak"],
  ["holds a key on secp256k1", () => attackerCsr({ key: ellipticKey("secp256k1") }), "key-weak"],
  ["has as many names as a message holds", () => attackerCsr({ uris: many.slice(0, 3_000) }), "message-invalid"],
  ["repeats its attribute", () => attackerCsr({ uris: ["urn:x"], repeated: 2 }), "csr-invalid"],
  ["has a NUL in its common name", () => attackerCsr({ commonName: nul }), "csr-invalid"],
  ["has a NUL in an alternative name", () => attackerCsr({ uris: ["urn:x\u0000y"] }), "csr-invalid"],
  ["has octets after its end", () => Buffer.concat([attackerCsr(), Buffer.from([0])]), "csr-invalid"],
  ["is cut off", () => attackerCsr().subarray(0, 100), "csr-invalid"],
  ["is no request", () => Buffer.from("-----BEGIN CERTIFICATE REQUEST-----"), "csr-invalid"],
  ["is empty", () => new Uint8Array(), "message-invalid"],
];

describe("a certificate request", () => {
  it.each(cases)("that %s is refused, at enrolment and at renewal", async (_, make, code) => {
    const [first, csr] = [new AttackerDevice(controller, "edge-1"), make()];
    const claim = await controller.claim();
    const renewal = await good.renewBody(first.key, { csr });
    const left = await controller.unchangedBy(async () => {
      expect(await first.enrol(claim, { csr })).toEqual(refusal(code));
      expect(await good.ask(renewal)).toEqual(refusal(code));
    });
    expect(left.map(({ action }) => action)).toEqual(["message.refused", "message.refused"]);
  });

  it("that holds a key the profile does not take is refused, at enrolment and at renewal", async () => {
    const first = Object.assign(new AttackerDevice(controller, "edge-1"), { key: testSigner("RSA-2048") });
    const claim = await controller.claim();
    const csr = await encodeCsr({ signer: first.key, commonName: "edge-1" });
    await controller.unchangedBy(async () => {
      expect(await first.enrol(claim)).toEqual(refusal("policy-violation"));
      expect(await good.ask(await good.renewBody(first.key, { csr }))).toEqual(refusal("policy-violation"));
    });
  });

  it("that has 10,000 alternative names is refused before it is read", async () => {
    const body = await good.renewBody(testSigner("P-256"), { csr: attackerCsr({ uris: many }) });
    const session = await good.operational();
    await controller.unchangedBy(async () => {
      const envelope = await oversized(body);
      expect(envelope.length).toBeGreaterThan(100_000);
      expect(await good.deliver(session, envelope, { kind: "renew" })).toEqual(refusal("message-too-large"));
    });
    session.stream.destroy();
  });

  it("that wishes for other names gets the registry's and nothing more", async () => {
    const device = new AttackerDevice(controller, "modest-1");
    const uris = ["urn:fleetcert:plant:device:good-1", "https://evil.example"];
    const csr = attackerCsr({ key: createPrivateKey(device.key.privatePem), uris, commonName: Buffer.from("good-1") });
    expect(await device.enrol(await controller.claim(), { csr })).toMatchObject({ type: "issued" });
    const { subject, subjectAlternativeNames, isCa } = parseCertificate(device.certificate);
    expect(subject.commonName).toBe("modest-1");
    expect(subjectAlternativeNames).toMatchObject({ uris: ["urn:fleetcert:plant:device:modest-1"], dns: [], ips: [] });
    expect(isCa).toBe(false);
  });

  it("is served right after all of them", async () => {
    await good.rotate();
    await new AttackerDevice(controller, "next-1").join();
  });
});

/** An envelope as an honest sender would refuse to make it. */
async function oversized(body: Body): Promise<Uint8Array> {
  const said = { fleet: "plant", messageId: "00".repeat(16), at: 0, counter: 10_000 };
  const payload = encodeMessage(messageOf(good, body, said));
  const signature = await good.key.sign(preAuthenticationEncoding(payloadTypes.message, payload));
  const signatures = [{ keyId: sha256(good.key.spki), signature }];
  return fleetcert.v1.SignedEnvelope.encode({ payloadType: payloadTypes.message, payload, signatures }).finish();
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}
