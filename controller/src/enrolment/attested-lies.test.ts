import { nodeCredentialCrypto } from "@fleetcert/hw";
import type { Body, BodyOf, TpmEvidence } from "@fleetcert/proto";
import { makeCredential, objectAttributes, spkiOfPublicArea } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aDevice, startTestController, type TestController } from "../../../test/support/controller/controller.ts";
import {
  certificatesOf,
  controllerFor,
  deviceWith,
  lastRefusal,
  oneClaim,
} from "../../../test/support/devices/attested-device.ts";
import { MakeBelieveTpm, type TpmSigner } from "../../../test/support/keys/make-believe-tpm.ts";
import {
  honestAttestation,
  honestSigning,
  softwareAttestationKey,
  softwareStorageKey,
} from "../../../test/support/keys/software-tpm.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { testPki } from "../../../test/support/pki/test-pki.ts";

describe("evidence that does not hold", () => {
  it.each<[string, string, (tpm: MakeBelieveTpm, key: TpmSigner, honest: TpmEvidence) => TpmEvidence]>([
    [
      "an attestation key without the restriction",
      "attestation-key",
      (_, key) => {
        const loose = new MakeBelieveTpm(softwareAttestationKey(honestAttestation & ~objectAttributes.restricted));
        const evidence = loose.evidence(key, { device: "press-7", generation: 1 });
        return { ...evidence, tpm: { ...evidence.tpm, endorsementKey: _.endorsementKey.publicArea } };
      },
    ],
    [
      "an endorsement key that is not allowed",
      "not-allowed",
      (_, key) => new MakeBelieveTpm().evidence(key, { device: "press-7", generation: 1 }),
    ],
    [
      "an attestation key of another TPM under its own statement",
      "signature",
      (_, key, honest) => ({
        ...honest,
        evidence: new MakeBelieveTpm().certify(key, { device: "press-7", generation: 1 }),
      }),
    ],
    [
      "a certification of another key",
      "nonce",
      (tpm, _, honest) => ({ ...honest, evidence: tpm.certify(tpm.newKey(), { device: "press-7", generation: 1 }) }),
    ],
    [
      "a certification for another device",
      "nonce",
      (tpm, key) => tpm.evidence(key, { device: "press-8", generation: 1 }),
    ],
    [
      "a certification for another generation",
      "nonce",
      (tpm, key) => tpm.evidence(key, { device: "press-7", generation: 2 }),
    ],
    [
      "a certification for another slot",
      "nonce",
      (tpm, key) => tpm.evidence(key, { device: "press-7", slot: "web", generation: 1 }),
    ],
    [
      "the public area of another key",
      "another-key",
      (tpm, _, honest) => ({ ...honest, evidence: { ...honest.evidence, publicArea: tpm.newKey().tpmKey.publicArea } }),
    ],
    [
      "the parent of another key",
      "another-parent",
      (_, __, honest) => ({ ...honest, evidence: { ...honest.evidence, parent: softwareStorageKey().publicArea } }),
    ],
    [
      "a quote in place of the certification",
      "nonce",
      (tpm, _, honest) => {
        const quote = tpm.quote([{ hash: "sha256", indices: [0] }], { device: "press-7", nonce: new Uint8Array(20) });
        return { ...honest, evidence: { ...honest.evidence, attest: quote.attest, signature: quote.signature } };
      },
    ],
    [
      "an endorsement key that signs",
      "endorsement-key",
      (tpm, _, honest) => ({ ...honest, tpm: { ...honest.tpm, endorsementKey: tpm.attestationKey.publicArea } }),
    ],
  ])("%s is refused with reason %s", async (_, reason, lie) => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const { device, key, attested } = deviceWith(controller, tpm);
    const answer = await device.enrol(await oneClaim(controller), { attested: lie(tpm, key, attested) });
    await expectRefused(controller, answer, "attestation-invalid", reason);
  });

  it("a key that may leave its TPM is refused with reason key-attributes", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const device = aDevice(controller, "press-7");
    const key = tpm.newKey(honestSigning & ~objectAttributes.fixedTpm);
    device.key = key;
    const attested = tpm.evidence(key, { device: "press-7", generation: 1 });
    await expectRefused(
      controller,
      await device.enrol(await oneClaim(controller), { attested }),
      "attestation-invalid",
      "key-attributes",
    );
  });

  it.each([
    ["untrusted", { days: 10, ofAnother: true }],
    ["expired", { days: -1, ofAnother: false }],
  ])("an endorsement certificate that is %s is refused with that reason", async (reason, { days, ofAnother }) => {
    const [maker, stranger] = [await testPki(), await testPki()];
    const tpm = new MakeBelieveTpm();
    const signer = { ...testSigner("P-256"), spki: spkiOfPublicArea(tpm.endorsementKey.area) };
    const now = Date.UTC(2026, 10, 20, 12);
    const { certificate } = await (ofAnother ? stranger : maker).issueLeaf({
      ...{ keyUsage: ["keyAgreement"], extendedKeyUsage: [], signer },
      notBefore: now - 86_400_000 * 30,
      notAfter: now + 86_400_000 * days,
    });
    tpm.certificate = certificate.der;
    const controller = await startTestController({
      endorsements: { roots: [maker.root.certificate.der], intermediates: [maker.issuing.certificate.der] },
    });
    const { device, attested } = deviceWith(controller, tpm);
    await expectRefused(
      controller,
      await device.enrol(await oneClaim(controller), { attested }),
      "path-invalid",
      reason,
    );
  });

  it("an endorsement certificate of another key is refused with reason endorsement-key", async () => {
    const maker = await testPki();
    const tpm = new MakeBelieveTpm();
    tpm.certificate = (await maker.issueLeaf({ keyUsage: ["keyAgreement"], extendedKeyUsage: [] })).certificate.der;
    const controller = await startTestController({
      endorsements: { roots: [maker.root.certificate.der], intermediates: [maker.issuing.certificate.der] },
    });
    const { device, attested } = deviceWith(controller, tpm);
    const answer = await device.enrol(await oneClaim(controller), { attested });
    await expectRefused(controller, answer, "attestation-invalid", "endorsement-key");
  });

  it("software that shows the endorsement key of a real TPM never learns what the credential holds", async () => {
    const real = new MakeBelieveTpm();
    const software = new MakeBelieveTpm();
    const controller = await controllerFor([real]);
    const device = aDevice(controller, "press-7");
    const key = software.newKey();
    device.key = key;
    const own = software.evidence(key, { device: "press-7", generation: 1 });
    const attested = { ...own, tpm: { ...own.tpm, endorsementKey: real.endorsementKey.publicArea } };
    const claim = await oneClaim(controller);
    const credential = (await device.enrol(claim, { attested })) as BodyOf<"credential">;
    expect(() => software.activate(credential)).toThrow();
    // The real TPM would not read it either: it is for the attestation key of the software.
    expect(() => real.activate(credential)).toThrow("TPM_RC_INTEGRITY");
    const guess = await device.enrol(claim, { attested, activated: new Uint8Array(32) });
    await expectRefused(controller, guess, "attestation-invalid", "activation");
  });

  it("an answer is of no use for another device, key, claim or TPM", async () => {
    const [tpm, other] = [new MakeBelieveTpm(), new MakeBelieveTpm()];
    const controller = await controllerFor([tpm, other]);
    const { device, key, attested } = deviceWith(controller, tpm);
    const claim = await oneClaim(controller);
    const activated = tpm.activate((await device.enrol(claim, { attested })) as BodyOf<"credential">);
    const neighbour = aDevice(controller, "press-8");
    neighbour.key = key;
    const forNeighbour = tpm.evidence(key, { device: "press-8", generation: 1 });
    const answers = [await neighbour.enrol(claim, { attested: forNeighbour, activated })];
    answers.push(await device.enrol(await oneClaim(controller), { attested, activated }));
    const swapped = other.evidence(key, { device: "press-7", generation: 1 });
    answers.push(await device.enrol(claim, { attested: swapped, activated }));
    const next = deviceWith(controller, tpm);
    answers.push(await next.device.enrol(claim, { attested: next.attested, activated }));
    for (const answer of answers) await expectRefused(controller, answer, "attestation-invalid", "activation");
  });

  it("an answer for one attestation key does not make another the enrolled one", async () => {
    const [tpm, software] = [new MakeBelieveTpm(), new MakeBelieveTpm()];
    const controller = await controllerFor([tpm]);
    const { device, key, attested } = deviceWith(controller, tpm);
    const claim = await oneClaim(controller);
    const activated = tpm.activate((await device.enrol(claim, { attested })) as BodyOf<"credential">);
    // Otherwise every later generation could be certified outside of the TPM.
    const own = software.evidence(key, { device: "press-7", generation: 1 });
    const swapped = { ...own, tpm: { ...own.tpm, endorsementKey: tpm.endorsementKey.publicArea } };
    const answer = await device.enrol(claim, { attested: swapped, activated });
    await expectRefused(controller, answer, "attestation-invalid", "activation");
  });

  it("an answer that comes after half an hour is refused, and asking again helps", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const { device, attested } = deviceWith(controller, tpm);
    const claim = await oneClaim(controller);
    const late = tpm.activate((await device.enrol(claim, { attested })) as BodyOf<"credential">);
    controller.world.clock.advance(30 * 60_000);
    await expectRefused(
      controller,
      await device.enrol(claim, { attested, activated: late }),
      "attestation-invalid",
      "activation",
    );
    const activated = tpm.activate((await device.enrol(claim, { attested })) as BodyOf<"credential">);
    expect(await device.enrol(claim, { attested, activated })).toMatchObject({ type: "issued" });
  });

  it("an answer without a question, or without evidence in it, is refused", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const { device, attested } = deviceWith(controller, tpm);
    const activated = new Uint8Array(32).fill(1);
    const claim = await oneClaim(controller);
    await expectRefused(
      controller,
      await device.enrol(claim, { attested, activated }),
      "attestation-invalid",
      "activation",
    );
    await expectRefused(controller, await device.enrol(claim, { activated }), "message-invalid");
  });

  it("a credential made by somebody else's rules is not what the controller asks", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const { device, attested } = deviceWith(controller, tpm);
    const claim = await oneClaim(controller);
    const own = makeCredential(nodeCredentialCrypto, {
      endorsementKey: tpm.endorsementKey.area,
      name: new Uint8Array(34),
      challenge: new Uint8Array(32).fill(9),
    });
    expect(() => tpm.activate(own)).toThrow("TPM_RC_INTEGRITY");
    const answer = await device.enrol(claim, { attested, activated: new Uint8Array(32).fill(9) });
    await expectRefused(controller, answer, "attestation-invalid", "activation");
  });

  it("any bytes in any field of the evidence give a typed refusal, or a credential no answer was made for", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const { device, attested } = deviceWith(controller, tpm);
    const { claimString } = await controller.enrolment.createClaim("local", { maxUses: 1, validFor: 7 * 86_400_000 });
    const noise = fc.uint8Array({ minLength: 1, maxLength: 80 });
    const bent = (honest: Uint8Array) =>
      fc.tuple(fc.nat(honest.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => {
        const copy = Uint8Array.from(honest);
        copy[at] = (copy[at] ?? 0) ^ mask;
        return copy;
      });
    const { tpm: shown, evidence } = attested;
    const places = [
      ...(["endorsementKey", "attestationKey"] as const).map((name) =>
        fc.oneof(noise, bent(shown[name])).map((bytes) => ({ ...attested, tpm: { ...shown, [name]: bytes } })),
      ),
      noise.map((bytes) => ({ ...attested, tpm: { ...shown, endorsementCertificate: bytes } })),
      ...(["publicArea", "parent", "attest", "signature"] as const).map((name) =>
        fc
          .oneof(noise, bent(evidence[name]))
          .map((bytes) => ({ ...attested, evidence: { ...evidence, [name]: bytes } })),
      ),
    ];
    await fc.assert(
      fc.asyncProperty(fc.oneof(...places), async (lie) => {
        controller.world.clock.advance(60_000);
        const first = await device.enrol(claimString, { attested: lie });
        const activated = new Uint8Array(32);
        const last =
          first.type === "credential" ? await device.enrol(claimString, { attested: lie, activated }) : first;
        expect(last).toMatchObject({ type: "refused" });
        expect(["attestation-invalid", "certificate-invalid", "key-weak"]).toContain((last as BodyOf<"refused">).code);
      }),
      { numRuns: 150 },
    );
    expect(await certificatesOf(controller)).toEqual([]);
  });
});

async function expectRefused(controller: TestController, answer: Body, code: string, reason?: string) {
  expect(answer).toMatchObject({ type: "refused", code });
  expect(await lastRefusal(controller)).toEqual({ code, ...(reason && { reason }) });
  expect(await certificatesOf(controller)).toEqual([]);
}
