import { parseCertificate, Secret } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  aDevice,
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";

const hour = 3_600_000;

async function aClaim(controller: TestController, changes: { maxUses?: number; allowedDevices?: string[] } = {}) {
  return await controller.enrolment.createClaim("local", { maxUses: 1, validFor: hour, ...changes });
}

async function usesOf(controller: TestController, id: string): Promise<number | undefined> {
  return await controller.store.transaction(async (tx) => (await tx.claims.find(id))?.uses);
}

describe("enrolment by claim", () => {
  it("gives a certificate with the names of the registry, and counts the use", async () => {
    const controller = await startTestController();
    const { claimString, claim } = await controller.enrolment.createClaim("local", {
      maxUses: 2,
      validFor: 60_000,
      attributes: { site: "berlin" },
    });
    const device = aDevice(controller, "edge-1");
    expect(await device.enrol(claimString)).toMatchObject({ type: "issued", generation: 1 });
    const certificate = parseCertificate(device.certificate);
    expect(certificate.subject.text).toBe("CN=edge-1,O=demo");
    expect(certificate.subjectAlternativeNames.uris).toEqual(["urn:fleetcert:demo:device:edge-1"]);
    expect(certificate.extendedKeyUsage).toEqual(["clientAuth"]);
    expect(await device.activate()).toMatchObject({ type: "confirmed", generation: 1 });
    const kept = await controller.store.transaction(async (tx) => ({
      device: await tx.devices.find("edge-1"),
      certificates: await tx.certificates.listOf("edge-1"),
    }));
    expect(await usesOf(controller, claim.id)).toBe(1);
    expect(kept.device?.attributes.site).toBe("berlin");
    expect(kept.certificates.map(({ state }) => state)).toEqual(["proven"]);
  });

  it("gives the same certificate again to the key that has it, with a spent and with an expired claim, uncounted", async () => {
    const controller = await startTestController();
    const { claimString, claim } = await aClaim(controller);
    const device = aDevice(controller, "edge-1");
    await device.enrol(claimString);
    const first = device.certificate;
    expect(await device.enrol(claimString)).toMatchObject({ type: "issued" });
    controller.world.clock.advance(2 * hour);
    expect(await device.enrol(claimString)).toMatchObject({ type: "issued" });
    expect(device.certificate).toEqual(first);
    expect(await usesOf(controller, claim.id)).toBe(1);
  });

  it("refuses a claim that is spent, expired, revoked or for other devices, and changes nothing", async () => {
    const controller = await startTestController();
    const spent = await aClaim(controller);
    await aDevice(controller, "edge-0").enrol(spent.claimString);
    const expired = await aClaim(controller);
    controller.world.clock.advance(2 * hour);
    const foreign = await aClaim(controller, { allowedDevices: ["other-1"] });
    for (const { claimString } of [spent, expired, foreign]) {
      const answer = await aDevice(controller, "edge-1").enrol(claimString);
      expect(answer).toMatchObject({ type: "refused", code: "claim-invalid" });
    }
    const revoked = await aClaim(controller);
    await controller.enrolment.revokeClaim("local", revoked.claim.id);
    await expect(aDevice(controller, "edge-1").enrol(revoked.claimString)).rejects.toMatchObject({
      code: "unauthenticated",
    });
    const known = await controller.store.transaction((tx) => tx.devices.find("edge-1"));
    expect(known).toBeUndefined();
  });

  it("refuses a wrong secret before any message", async () => {
    const controller = await startTestController();
    const { claimString, claim } = await aClaim(controller);
    const forged = claimString.replace(/^(fc1\.[^.]+\.)[^.]+/, `$1${"A".repeat(43)}`);
    await expect(aDevice(controller, "edge-1").enrol(forged)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(Secret.of(claimString).toString()).not.toContain(claim.id);
  });

  it("never enrols an id that has or had a credential, and none that the wire needs itself", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const { claimString } = await aClaim(controller, { maxUses: 9 });
    expect(await aDevice(controller, "edge-1").enrol(claimString)).toMatchObject({ code: "device-exists" });
    for (const id of ["controller", "fleet", `boot-${"a".repeat(40)}`]) {
      expect(await aDevice(controller, id).enrol(claimString)).toMatchObject({ code: "request-invalid" });
    }
  });

  it("refuses weak keys and keys of other kinds than the profile's", async () => {
    const controller = await startTestController();
    const { claimString } = await aClaim(controller, { maxUses: 9 });
    const device = aDevice(controller, "edge-1");
    device.key = testSigner("P-384");
    expect(await device.enrol(claimString)).toMatchObject({ type: "refused", code: "policy-violation" });
  });

  it("gives exactly as many certificates as the claim has uses, however many come at once (I5)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 6 }), async (maxUses, count) => {
        const controller = await startTestController();
        const { claimString, claim } = await aClaim(controller, { maxUses });
        const devices = Array.from({ length: count }, (_, index) => aDevice(controller, `edge-${index}`));
        const messages = await Promise.all(devices.map((device) => device.deliverEnrolment(claimString)));
        await Promise.all(messages);
        const issued = await controller.store.transaction(async (tx) => {
          const lists = [];
          for (const { id } of devices) lists.push(...(await tx.certificates.listOf(id)));
          return lists.length;
        });
        expect(issued).toBe(Math.min(maxUses, count));
        expect(await usesOf(controller, claim.id)).toBe(issued);
      }),
      { numRuns: 10 },
    );
  });

  it("gives one certificate for one request that comes many times at once (I5)", async () => {
    const controller = await startTestController();
    const { claimString, claim } = await aClaim(controller, { maxUses: 5 });
    const device = aDevice(controller, "edge-1");
    await Promise.all(Array.from({ length: 6 }, () => device.deliverEnrolment(claimString)));
    const certificates = await controller.store.transaction((tx) => tx.certificates.listOf("edge-1"));
    expect(certificates).toHaveLength(1);
    expect(await usesOf(controller, claim.id)).toBe(1);
    const answers = await controller.answersTo("edge-1");
    expect(answers.map(({ body }) => body.type)).toEqual(Array(6).fill("issued"));
  });
});

describe("claims", () => {
  it("are refused when they make no sense", async () => {
    const controller = await startTestController();
    for (const wrong of [{ maxUses: 0 }, { validFor: 1 }, { maxUses: 1.5 }, { allowedDevices: ["UPPER"] }]) {
      const request = { maxUses: 1, validFor: hour, ...wrong };
      await expect(controller.enrolment.createClaim("local", request)).rejects.toMatchObject({
        code: "request-invalid",
      });
    }
    await expect(controller.enrolment.revokeClaim("local", "nothere1")).rejects.toMatchObject({ code: "not-found" });
  });
});
