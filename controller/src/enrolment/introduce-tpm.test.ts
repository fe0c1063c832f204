import type { BodyOf } from "@fleetcert/proto";
import { describe, expect, it } from "vitest";
import {
  type ControllerWorld,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import {
  anAttestedDevice,
  certificatesOf,
  controllerFor,
  deviceWith,
  endorsementHashOf,
  introduction,
  lastRefusal,
  oneClaim,
} from "../../../test/support/devices/attested-device.ts";
import { MakeBelieveTpm } from "../../../test/support/keys/make-believe-tpm.ts";

describe("a TPM that is introduced with a renewal", () => {
  /** A device that enrolled with a key in a TPM before its controller asked for proof. */
  async function before(tpm: MakeBelieveTpm) {
    const first = await startTestController();
    const { device, attested } = deviceWith(first, tpm);
    await device.enrol(await oneClaim(first), { attested, protection: "token" });
    await device.activate();
    return { device, world: first.world };
  }

  /** The same world under a controller that lets these TPMs in. */
  const asking = (world: ControllerWorld, tpms: readonly MakeBelieveTpm[]) =>
    startTestController({ world, endorsements: { allowed: new Set(tpms.map(endorsementHashOf)) } });

  const auditOf = async (controller: TestController) =>
    (await controller.store.transaction((tx) => tx.audit.list(1, 1000))).map(({ action }) => action);

  it("is proven over the live session, and its keys count as attested from then on", async () => {
    const tpm = new MakeBelieveTpm();
    const { device, world } = await before(tpm);
    device.controller = await asking(world, [tpm]);
    const next = tpm.newKey();
    const body = await introduction(device, tpm, next);
    const credential = (await device.ask(body)) as BodyOf<"credential">;
    expect(credential).toMatchObject({ type: "credential" });
    const attestation = { type: "attestation", request: body, activated: tpm.activate(credential) } as const;
    const issued = await device.ask(attestation);
    expect(issued).toMatchObject({ type: "issued", generation: 2 });
    expect(await device.ask(attestation)).toEqual(issued);
    expect((await certificatesOf(device.controller)).map(({ protection }) => protection)).toEqual([
      "attested",
      "token",
    ]);
    expect((await auditOf(device.controller)).filter((action) => action === "attestation.proven")).toHaveLength(1);
    device.take(next, issued as BodyOf<"issued">);
    await device.activate();
    expect(await device.askRenewal(tpm.newKey())).toMatchObject({ type: "refused", code: "attestation-required" });
  });

  it("that may not come in does not strand the device: its keys count as before, and the audit says why", async () => {
    const tpm = new MakeBelieveTpm();
    const { device, world } = await before(tpm);
    device.controller = await asking(world, [new MakeBelieveTpm()]);
    const next = tpm.newKey();
    const body = await introduction(device, tpm, next);
    expect(await device.ask(body)).toMatchObject({ type: "issued", generation: 2 });
    expect((await certificatesOf(device.controller)).map(({ protection }) => protection)).toEqual(["token", "token"]);
    expect(await auditOf(device.controller)).toContain("attestation.refused");
  });

  it.each<[string, (tpm: MakeBelieveTpm, credential: BodyOf<"credential">) => Uint8Array]>([
    ["a guess", () => new Uint8Array(32)],
    [
      "what another question's credential held",
      (tpm, credential) => tpm.activate(credential).map((octet) => octet ^ 1),
    ],
  ])("is not proven by %s", async (_, answerOf) => {
    const tpm = new MakeBelieveTpm();
    const { device, world } = await before(tpm);
    device.controller = await asking(world, [tpm]);
    const next = tpm.newKey();
    const body = await introduction(device, tpm, next);
    const activated = answerOf(tpm, (await device.ask(body)) as BodyOf<"credential">);
    expect(await device.ask({ type: "attestation", request: body, activated })).toMatchObject({
      type: "refused",
      code: "attestation-invalid",
    });
    expect(await lastRefusal(device.controller)).toEqual({ code: "attestation-invalid", reason: "activation" });
    expect(await certificatesOf(device.controller)).toHaveLength(1);
  });

  it("cannot take the place of the one a device has proven", async () => {
    const [tpm, other] = [new MakeBelieveTpm(), new MakeBelieveTpm()];
    const controller = await controllerFor([tpm, other]);
    const device = await anAttestedDevice(controller, tpm);
    const next = other.newKey();
    const body = await introduction(device, other, next);
    expect(await device.ask(body)).toMatchObject({ type: "refused", code: "attestation-invalid" });
    const guessed = { type: "attestation", request: body, activated: new Uint8Array(32) } as const;
    expect(await device.ask(guessed)).toMatchObject({ type: "refused", code: "message-invalid" });
  });
});
