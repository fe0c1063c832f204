import { sign } from "node:crypto";
import { type BodyOf, type CourierPart, decodeCourierFile, encodeCourierFile, maxCourierBytes } from "@fleetcert/proto";
import { claimKeyOf, parseClaimString, type Signer } from "@fleetcert/shared";
import { beforeEach, describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { controllerFor } from "../../../test/support/devices/attested-device.ts";
import { answersIn, BundlePacker } from "../../../test/support/devices/courier-device.ts";
import { enrolBody } from "../../../test/support/devices/device-messages.ts";
import { MakeBelieveTpm } from "../../../test/support/keys/make-believe-tpm.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import type { ClaimRequest } from "../enrolment/enrolment.ts";

let controller: TestController;
const alice = "operator:alice";

beforeEach(async () => {
  controller = await startTestController();
});

const aClaim = async (wishes: Partial<ClaimRequest> = {}): Promise<string> =>
  (await controller.enrolment.createClaim("local", { maxUses: 1, validFor: 3_600_000, ...wishes })).claimString;

/** The key of a claim, as the device makes it of the claim's secret. */
function claimSigner(claimString: string): Signer {
  const { spki, pkcs8 } = claimKeyOf(Buffer.from(parseClaimString(claimString).secret.reveal(), "base64url"));
  const key = { key: Buffer.from(pkcs8), format: "der", type: "pkcs8" } as const;
  return { algorithm: "Ed25519", spki, sign: async (message) => new Uint8Array(sign(null, message, key)) };
}

/** A device that was never in contact, with what it signs by. */
class Newcomer {
  readonly id: string;
  readonly key: Signer;
  readonly packer: BundlePacker;
  readonly #claim: string;

  constructor(id: string, claim: string, key: Signer = testSigner("P-256")) {
    this.id = id;
    this.key = key;
    this.#claim = claim;
    this.packer = new BundlePacker({ id, key: this.key, generation: 1 });
  }

  async body(changes: Partial<BodyOf<"enrol">> = {}): Promise<BodyOf<"enrol">> {
    const { claimId } = parseClaimString(this.#claim);
    return await enrolBody(this, { claimId, ...changes });
  }

  async bundle(changes: Partial<BodyOf<"enrol">> = {}): Promise<Uint8Array> {
    return await this.packer.pack([await this.body(changes)], this.key, claimSigner(this.#claim));
  }
}

const exchange = (bundle: Uint8Array) => controller.courier.exchange(alice, bundle);
const stateOf = (id: string) =>
  controller.world.store.transaction(async (tx) => ({
    device: await tx.devices.find(id),
    certificates: await tx.certificates.listOf(id),
    contact: await tx.courierContacts.find(id),
    claims: (await tx.claims.list({ limit: 10 })).map(({ id: claim, uses }) => [claim, uses]),
  }));

async function expectRefused(bundle: Uint8Array, id: string, code: string): Promise<void> {
  const before = await stateOf(id);
  await expect(exchange(bundle)).rejects.toMatchObject({ code });
  expect(await stateOf(id)).toEqual(before);
  const last = await controller.world.store.transaction((tx) => tx.audit.last());
  expect(last).toMatchObject({ action: "courier.refused", actor: alice, target: id });
}

describe("a first enrolment that a courier brings", () => {
  it("is signed by the claim, gets the certificate with the way of trust, and is proven with the next bundle", async () => {
    const device = new Newcomer("pump-1", await aClaim());
    const done = await exchange(await device.bundle());
    expect(done.answers).toEqual([{ asked: "enrol", answer: "issued", slot: "identity", generation: 1 }]);
    const [issued] = answersIn(done.reply) as [BodyOf<"issued">];
    expect(issued.trustBundles.length).toBeGreaterThan(0);
    const topics = decodeCourierFile(done.reply, maxCourierBytes.reply).parts.map(({ topic }) => topic.type);
    expect(topics).toEqual(expect.arrayContaining(["trust-version", "desired", "head"]));
    const { device: record, certificates, contact } = await stateOf("pump-1");
    expect(record?.attributes).toMatchObject({ connectivity: "courier", connectivityBy: "computed" });
    expect(certificates).toMatchObject([{ state: "issued", provenVia: "" }]);
    expect(contact).toMatchObject({ operator: alice, generation: 1, counter: 1 });

    const { sha256: certificateSha256 } = certificates[0] ?? { sha256: "" };
    const proof = { slot: "identity", generation: 1, certificateSha256: Buffer.from(certificateSha256, "hex") };
    const second = await exchange(
      await device.packer.pack([{ type: "activated", ...proof }, { type: "time-request" }]),
    );
    expect(second.answers.map(({ answer }) => answer)).toEqual(["confirmed", "time-token"]);
    expect((await stateOf("pump-1")).certificates).toMatchObject([{ state: "proven", provenVia: "courier" }]);
    const audit = await controller.world.store.transaction((tx) => tx.audit.list(1, 1000));
    const enrolled = audit.find(({ action }) => action === "device.enrolled");
    expect(JSON.parse(enrolled?.details ?? "{}")).toMatchObject({ via: "courier", operator: alice });
  });

  it("brings the same certificate again, by the same file or by the next one, and uses the claim once", async () => {
    const device = new Newcomer("pump-1", await aClaim());
    const lost = await device.bundle();
    const [first, again] = [await exchange(lost), await exchange(lost)];
    expect([first.isRepeated, again.isRepeated]).toEqual([false, true]);
    const other = await exchange(await device.bundle());
    const certificates = [first, again, other].map(
      ({ reply }) => (answersIn(reply)[0] as BodyOf<"issued">).certificate,
    );
    expect(certificates[1]).toEqual(certificates[0]);
    expect(certificates[2]).toEqual(certificates[0]);
    expect((await stateOf("pump-1")).claims.map(([, uses]) => uses)).toEqual([1]);
  });

  it("is stale when it comes after a newer one", async () => {
    const device = new Newcomer("pump-1", await aClaim());
    const older = await device.bundle();
    await exchange(await device.bundle());
    await expectRefused(older, "pump-1", "bundle-stale");
  });

  it.each<[string, string, (claim: string) => Promise<Uint8Array>]>([
    [
      "by a claim nobody gave",
      "claim-invalid",
      (claim) => new Newcomer("pump-1", claim).bundle({ claimId: "nobody00" }),
    ],
    [
      "without naming a claim",
      "claim-invalid",
      async (claim) => {
        const device = new Newcomer("pump-1", claim);
        const { claimId: _, ...body } = await device.body();
        return await device.packer.pack([body], device.key, claimSigner(claim));
      },
    ],
    [
      "that names a claim another claim's secret signed for",
      "claim-invalid",
      async (claim) => {
        const device = new Newcomer("pump-1", claim);
        return await device.packer.pack([await device.body()], device.key, claimSigner(await aClaim()));
      },
    ],
    [
      "with the courier's own key in it, signed by no claim",
      "claim-invalid",
      async (claim) => {
        const device = new Newcomer("pump-1", claim);
        return await device.packer.pack([await device.body()], device.key);
      },
    ],
    [
      "signed by the claim and not by its own key",
      "signature-invalid",
      async (claim) => {
        const device = new Newcomer("pump-1", claim);
        return await device.packer.pack([await device.body()], testSigner("P-256"), claimSigner(claim));
      },
    ],
    [
      "signed by a third key too",
      "signer-not-allowed",
      async (claim) => {
        const device = new Newcomer("pump-1", claim);
        return await device.packer.pack([await device.body()], device.key, claimSigner(claim), testSigner("P-256"));
      },
    ],
  ])("is refused %s", async (_, code, make) => {
    await expectRefused(await make(await aClaim()), "pump-1", code);
  });

  it("is refused when the courier puts another device's enrolment into it", async () => {
    const claim = await aClaim({ maxUses: 2 });
    const [mine, other] = [new Newcomer("pump-1", claim), new Newcomer("pump-2", claim)];
    const file = decodeCourierFile(await mine.bundle(), maxCourierBytes.request);
    const { parts } = decodeCourierFile(await other.bundle(), maxCourierBytes.request);
    await expectRefused(encodeCourierFile({ ...file, parts }), "pump-1", "signature-invalid");
    // A manifest of its own makes it no better: it is of another device than its part.
    const signers = [mine.key, claimSigner(claim)];
    const swapped = await mine.packer.seal(parts as CourierPart[], 0, {}, ...signers);
    await expectRefused(swapped, "pump-1", "bundle-foreign");
  });

  it.each<[string, string, Partial<ClaimRequest>, () => Promise<unknown>]>([
    ["spent", "claim-invalid", {}, async () => undefined],
    ["expired", "claim-invalid", { maxUses: 2 }, async () => controller.world.clock.advance(7_200_000)],
    ["for other devices", "claim-invalid", { maxUses: 2, allowedDevices: ["pump-1"] }, async () => undefined],
  ])(
    "is answered with the reason when its claim is %s, and its device is not blocked by that",
    async (_, code, wishes, meanwhile) => {
      const claim = await aClaim(wishes);
      await exchange(await new Newcomer("pump-1", claim).bundle());
      await meanwhile();
      const late = new Newcomer("pump-2", claim);
      const { answers } = await exchange(await late.bundle());
      expect(answers).toMatchObject([{ asked: "enrol", answer: "refused", code }]);
      expect(await stateOf("pump-2")).toMatchObject({ device: undefined, certificates: [], contact: undefined });
    },
  );

  it("neither takes over a device that is known, nor stands in the way of its own bundles", async () => {
    const known = await anEnrolledDevice(controller, "pump-1");
    await controller.inventory.setAttributes("local", "pump-1", { connectivity: "courier" });
    const thief = new Newcomer("pump-1", await aClaim());
    thief.packer.counter = 1_000_000;
    const { answers } = await exchange(await thief.bundle());
    expect(answers).toMatchObject([{ answer: "refused", code: "device-exists" }]);
    expect((await stateOf("pump-1")).contact).toBeUndefined();
    expect((await exchange(await new BundlePacker(known).pack([{ type: "time-request" }]))).answers).toMatchObject([
      { answer: "time-token" },
    ]);
  });

  it("is refused when it introduces a TPM: that takes two trips", async () => {
    const tpm = new MakeBelieveTpm();
    controller = await controllerFor([tpm]);
    const key = tpm.newKey();
    const device = new Newcomer("press-7", await aClaim(), key);
    const attested = tpm.evidence(key, { device: "press-7", generation: 1 });
    const { answers } = await exchange(await device.bundle({ attested }));
    expect(answers).toMatchObject([{ answer: "refused", code: "attestation-required" }]);
    expect((await stateOf("press-7")).device).toBeUndefined();
  });

  it("is refused for a claim of before claims had keys, and says what to do", async () => {
    const claim = await aClaim();
    const { claimId } = parseClaimString(claim);
    await controller.world.store.transaction(async (tx) => {
      const record = await tx.claims.find(claimId);
      if (record !== undefined) await tx.claims.put({ ...record, proofKey: new Uint8Array() });
    });
    await expect(exchange(await new Newcomer("pump-1", claim).bundle())).rejects.toMatchObject({
      code: "claim-invalid",
      hint: expect.stringContaining("fleetcert claim create"),
    });
  });
});
