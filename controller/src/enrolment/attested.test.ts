import type { BodyOf } from "@fleetcert/proto";
import { spkiOfPublicArea } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { startTestController } from "../../../test/support/controller/controller.ts";
import {
  anAttestedDevice,
  certificatesOf,
  controllerFor,
  deviceWith,
  endorsementHashOf,
  enrolAttested,
  oneClaim,
} from "../../../test/support/devices/attested-device.ts";
import { MakeBelieveTpm } from "../../../test/support/keys/make-believe-tpm.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { testPki } from "../../../test/support/pki/test-pki.ts";

describe("attested enrolment", () => {
  it("issues with protection attested once the TPM has read what only it can read", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const { device, answer } = await enrolAttested(controller, tpm);
    expect(answer).toMatchObject({ type: "issued", slot: "identity", generation: 1 });
    expect(await device.activate()).toMatchObject({ type: "confirmed" });
    expect(await certificatesOf(controller)).toMatchObject([{ state: "proven", protection: "attested" }]);
    const { record, holders } = await controller.store.transaction(async (tx) => ({
      record: await tx.attestations.find("press-7"),
      holders: await tx.identifiers.devicesOf("ek", endorsementHashOf(tpm)),
    }));
    expect(record).toMatchObject({
      endorsementKeySha256: endorsementHashOf(tpm),
      ground: "allow-list",
      manufacturer: "",
    });
    expect(holders).toEqual(["press-7"]);
  });

  it("says who made the TPM when its certificate chains to a configured manufacturer", async () => {
    const maker = await testPki();
    const tpm = new MakeBelieveTpm();
    const signer = { ...testSigner("P-256"), spki: spkiOfPublicArea(tpm.endorsementKey.area) };
    const now = Date.UTC(2026, 10, 20);
    const wishes = { notBefore: now - 86_400_000, notAfter: now + 10 * 86_400_000 };
    const { certificate } = await maker.issueLeaf({
      keyUsage: ["keyAgreement"],
      extendedKeyUsage: [],
      signer,
      ...wishes,
    });
    tpm.certificate = certificate.der;
    const controller = await startTestController({
      endorsements: { roots: [maker.root.certificate.der], intermediates: [maker.issuing.certificate.der] },
    });
    await anAttestedDevice(controller, tpm);
    const record = await controller.store.transaction((tx) => tx.attestations.find("press-7"));
    expect(record).toMatchObject({ ground: "manufacturer", endorsementCertificateSha256: certificate.sha256 });
  });

  it("issues nothing and counts no use for the first leg alone, however often it is asked", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const { device, attested } = deviceWith(controller, tpm);
    const claim = await oneClaim(controller);
    const answers = [await device.enrol(claim, { attested }), await device.enrol(claim, { attested })];
    const secrets = answers.map((answer) => tpm.activate(answer as BodyOf<"credential">));
    expect(secrets[0]).toEqual(secrets[1]);
    expect(await certificatesOf(controller)).toEqual([]);
    expect((await controller.enrolment.listClaims({ limit: 9 })).map(({ uses }) => uses)).toEqual([0]);
  });

  it("goes on after a restart of the controller between the legs", async () => {
    const tpm = new MakeBelieveTpm();
    const before = await controllerFor([tpm]);
    const { device, attested } = deviceWith(before, tpm);
    const claim = await oneClaim(before);
    const credential = (await device.enrol(claim, { attested })) as BodyOf<"credential">;
    const endorsements = { allowed: new Set([endorsementHashOf(tpm)]) };
    device.controller = await startTestController({ world: before.world, endorsements });
    expect(await device.enrol(claim, { attested, activated: tpm.activate(credential) })).toMatchObject({
      type: "issued",
    });
  });

  it("gives the same certificate again for either leg when the answer was lost", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const { device, attested } = deviceWith(controller, tpm);
    const claim = await oneClaim(controller);
    const activated = tpm.activate((await device.enrol(claim, { attested })) as BodyOf<"credential">);
    const first = await device.enrol(claim, { attested, activated });
    expect(await device.enrol(claim, { attested, activated })).toEqual(first);
    expect(await device.enrol(claim, { attested })).toEqual(first);
    expect(await certificatesOf(controller)).toHaveLength(1);
  });

  it("counts a key in a TPM as token, and says so in the audit, where no TPM may come in", async () => {
    const controller = await startTestController();
    const { device, attested } = deviceWith(controller, new MakeBelieveTpm());
    expect(await device.enrol(await oneClaim(controller), { attested, protection: "token" })).toMatchObject({
      type: "issued",
    });
    expect(await certificatesOf(controller)).toMatchObject([{ protection: "token" }]);
    const entries = await controller.store.transaction((tx) => tx.audit.list(1, 100));
    const enrolled = entries.find(({ action }) => action === "device.enrolled");
    expect(JSON.parse(enrolled?.details ?? "{}")).toMatchObject({ attestation: "not configured", protection: "token" });
  });
});
