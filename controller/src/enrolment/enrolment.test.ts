import { parseCertificate } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { anEnrolledDevice, startTestController, TestDevice } from "../../../test/support/controller.ts";
import { testSigner } from "../../../test/support/test-signer.ts";

describe("enrolment by claim", () => {
  it("gives a certificate with the names of the registry, and counts the use", async () => {
    const controller = await startTestController();
    const { claimString, claim } = await controller.enrolment.createClaim("local", {
      maxUses: 2,
      validFor: 60_000,
      attributes: { site: "berlin" },
    });
    const device = new TestDevice(controller, "edge-1");
    const answer = await device.enrol(claimString);
    expect(answer).toMatchObject({ type: "issued", generation: 1 });
    const certificate = parseCertificate(device.certificate);
    expect(certificate.subject.text).toBe("CN=edge-1,O=demo");
    expect(certificate.subjectAlternativeNames.uris).toEqual(["urn:fleetcert:demo:device:edge-1"]);
    expect(certificate.extendedKeyUsage).toEqual(["clientAuth"]);
    expect(await device.activate()).toMatchObject({ type: "confirmed", generation: 1 });
    const kept = await controller.store.transaction(async (tx) => ({
      claim: await tx.claims.find(claim.id),
      device: await tx.devices.find("edge-1"),
      certificates: await tx.certificates.listOf("edge-1"),
    }));
    expect(kept.claim?.uses).toBe(1);
    expect(kept.device?.attributes.site).toBe("berlin");
    expect(kept.certificates.map(({ state }) => state)).toEqual(["proven"]);
  });
});

describe("rotation", () => {
  it("takes a new key, proves it, and retires the old", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    expect(await device.rotate()).toMatchObject({ type: "confirmed", generation: 2 });
    const certificates = await controller.store.transaction((tx) => tx.certificates.listOf("edge-1"));
    expect(certificates.map(({ generation, state }) => [generation, state])).toEqual([
      [2, "proven"],
      [1, "retired"],
    ]);
  });
});
