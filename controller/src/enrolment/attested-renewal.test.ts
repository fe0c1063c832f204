import { describe, expect, it } from "vitest";
import { aDevice } from "../../../test/support/controller/controller.ts";
import {
  anAttestedDevice,
  certificatesOf,
  controllerFor,
  deviceWith,
  endorsementHashOf,
  enrolAttested,
  lastRefusal,
  oneClaim,
} from "../../../test/support/devices/attested-device.ts";
import { MakeBelieveTpm, type TpmSigner } from "../../../test/support/keys/make-believe-tpm.ts";

describe("later generations of an attested slot", () => {
  it("stay attested by the word of the attestation key the device enrolled with", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const device = await anAttestedDevice(controller, tpm);
    controller.world.clock.advance(86_400_000);
    const next = tpm.newKey();
    const issued = await device.askRenewal(next, 2, {
      evidence: tpm.certify(next, { device: "press-7", generation: 2 }),
    });
    expect(issued).toMatchObject({ type: "issued", generation: 2 });
    expect((await certificatesOf(controller)).map(({ protection }) => protection)).toEqual(["attested", "attested"]);
    const record = await controller.store.transaction((tx) => tx.attestations.find("press-7"));
    expect(record?.certifiedAt).toBe((record?.provenAt ?? 0) + 86_400_000);
  });

  it("are refused without a certification, with attestation-required", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const device = await anAttestedDevice(controller, tpm);
    expect(await device.askRenewal(tpm.newKey())).toMatchObject({ type: "refused", code: "attestation-required" });
    expect(await certificatesOf(controller)).toHaveLength(1);
  });

  it.each<[string, string, (tpm: MakeBelieveTpm, next: TpmSigner) => ReturnType<MakeBelieveTpm["certify"]>]>([
    [
      "by another TPM",
      "signature",
      (_, next) => new MakeBelieveTpm().certify(next, { device: "press-7", generation: 2 }),
    ],
    ["of the generation before", "nonce", (tpm, next) => tpm.certify(next, { device: "press-7", generation: 1 })],
    ["of another device", "nonce", (tpm, next) => tpm.certify(next, { device: "press-8", generation: 2 })],
    ["of another key", "nonce", (tpm) => tpm.certify(tpm.newKey(), { device: "press-7", generation: 2 })],
  ])("are refused with a certification %s, reason %s", async (_, reason, lie) => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const device = await anAttestedDevice(controller, tpm);
    const next = tpm.newKey();
    const answer = await device.askRenewal(next, 2, { evidence: lie(tpm, next) });
    expect(answer).toMatchObject({ type: "refused", code: "attestation-invalid" });
    expect(await lastRefusal(controller)).toEqual({ code: "attestation-invalid", reason });
    expect(await certificatesOf(controller)).toHaveLength(1);
  });

  it("may lose attestation where the profile says so, and never silently", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm], "profiles: { device: { mayLoseAttestation: true } }");
    const device = await anAttestedDevice(controller, tpm);
    expect(await device.askRenewal(tpm.newKey())).toMatchObject({ type: "issued" });
    expect((await certificatesOf(controller)).map(({ protection }) => protection)).toEqual(["software", "attested"]);
    const entries = await controller.store.transaction((tx) => tx.audit.list(1, 100));
    expect(entries.filter(({ action }) => action === "attestation.lost")).toHaveLength(1);
  });
});

describe("a profile that takes attested keys only", () => {
  const profiles = "profiles: { device: { protections: [attested] } }";

  it("lets a proven TPM in and keeps claimed tokens and software out with attestation-required", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm], profiles);
    await anAttestedDevice(controller, tpm);
    for (const protection of ["software", "token", "attested"] as const) {
      const device = aDevice(controller, `claims-${protection}`);
      expect(await device.enrol(await oneClaim(controller), { protection })).toMatchObject({
        type: "refused",
        code: "attestation-required",
      });
    }
  });
});

describe("a suspended device with a TPM (I7)", () => {
  it("is blocked by its endorsement key under any id and with any key", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    await anAttestedDevice(controller, tpm);
    await controller.revocation.suspend("local", "press-7", "stolen");
    const { answer } = await enrolAttested(controller, tpm, "press-8");
    expect(answer).toMatchObject({ type: "refused", code: "device-suspended" });
    expect(await certificatesOf(controller, "press-8")).toEqual([]);
    await controller.revocation.reinstate("local", { device: "press-7", onlyHolds: false });
    const { answer: allowed } = await enrolAttested(controller, tpm, "press-8");
    expect(allowed).toMatchObject({ type: "issued" });
  });

  it("cannot be blocked by somebody who only shows its endorsement key", async () => {
    const tpm = new MakeBelieveTpm();
    const controller = await controllerFor([tpm]);
    const { device, attested } = deviceWith(controller, tpm, "impostor");
    expect(await device.enrol(await oneClaim(controller), { attested })).toMatchObject({ type: "credential" });
    expect(await controller.store.transaction((tx) => tx.identifiers.devicesOf("ek", endorsementHashOf(tpm)))).toEqual(
      [],
    );
  });
});
