import { encodeCsr, parseCertificate, parseCrl, parseCsr, Serial, validatePath } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  aDevice,
  anEnrolledDevice,
  aWorld,
  type ControllerWorld,
  startTestController,
} from "../../../test/support/controller/controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { type FailpointName, failpoints } from "../failpoints.ts";
import type { CertificateRecord } from "../records.ts";

const never = (): Promise<never> => new Promise(() => undefined);

/** A controller that stops for good at a failpoint, as a killed process does. */
async function killedAt(world: ControllerWorld, name: FailpointName) {
  const reached = Promise.withResolvers<void>();
  let isArmed = false;
  const controller = await startTestController({
    world,
    async failpoint(passed) {
      if (!isArmed || passed !== name) return;
      reached.resolve();
      await never();
    },
  });
  return {
    controller,
    arm: () => {
      isArmed = true;
    },
    reached: reached.promise,
  };
}

describe("issuance", () => {
  it("makes certificates whose path holds and whose serial names shard and index", async () => {
    const controller = await startTestController();
    const { certificate } = await anEnrolledDevice(controller, "edge-1");
    const { pki, clock } = controller.world;
    const { leaf } = validatePath({
      leaf: certificate,
      intermediates: [pki.issuing.der],
      roots: [pki.root.der],
      at: clock.now(),
      purpose: "clientAuth",
    });
    const serial = Serial.parse(leaf.serial.hex);
    expect(serial.bytes).toHaveLength(20);
    expect([serial.shard, serial.index]).toEqual([0, 0]);
    const issuer = controller.revocation.issuer;
    expect(leaf.crlDistributionPoints).toEqual([`http://localhost:8080/crl/${issuer}/0.crl`]);
    expect(clock.now() - leaf.notBefore).toBe(3_600_000);
  });

  it("closes every intent and audits it before and after the signature (I2)", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    const { intents, audit } = await controller.store.transaction(async (tx) => ({
      intents: await tx.intents.listOpen(),
      audit: await tx.audit.list(1, 1000),
    }));
    expect(intents).toEqual([]);
    const { serial } = parseCertificate(device.certificate);
    const about = audit
      .filter(({ details }) => details.includes(serial.hex))
      .map(({ action, outcome }) => [action, outcome]);
    expect(about.slice(0, 2)).toEqual([
      ["certificate.intent", "intent"],
      ["certificate.issued", "success"],
    ]);
  });

  it("gives dense indices, and one shard for each range of notAfter", async () => {
    const controller = await startTestController({ config: "shardSpan: 10d" });
    for (let index = 0; index < 3; index++) await anEnrolledDevice(controller, `edge-${index}`);
    controller.world.clock.advance(10 * 86_400_000);
    await anEnrolledDevice(controller, "edge-3");
    const found: CertificateRecord[] = [];
    await controller.store.transaction(async (tx) => {
      for (let index = 0; index < 4; index++) found.push(...(await tx.certificates.listOf(`edge-${index}`)));
    });
    expect(found.map(({ shard, index }) => [shard, index])).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 0],
    ]);
  });

  it("says and signs nothing when the clock leaps, and goes on when it is back", async () => {
    const controller = await startTestController();
    const device = await anEnrolledDevice(controller, "edge-1");
    controller.world.clock.jump(2 * 3_600_000);
    await expect(device.askRenewal(testSigner("P-256"))).rejects.toThrow("no answer to renew");
    expect(controller.notices).toContainEqual(
      expect.objectContaining({ name: "message.refused", details: { code: "clock-leapt", kind: "renew" } }),
    );
    controller.world.clock.jump(-2 * 3_600_000);
    expect(await device.askRenewal(testSigner("P-256"))).toMatchObject({ type: "issued" });
  });

  it("refuses to start with a clock behind what the store has seen", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    controller.world.clock.jump(-30 * 86_400_000);
    await expect(startTestController({ world: controller.world })).rejects.toMatchObject({ code: "clock-leapt" });
  });

  it("aborts and burns the serial when the signature is not what was asked for", async () => {
    const world = await aWorld();
    const controller = await startTestController({
      world: {
        ...world,
        keys: {
          ...world.keys,
          async open(ref) {
            const key = await world.keys.open(ref);
            if (key.label !== "issuing") return key;
            const sign = async (message: Uint8Array) => await key.sign(Buffer.concat([message, Buffer.from("x")]));
            return {
              algorithm: key.algorithm,
              spki: key.spki,
              id: key.id,
              ref,
              label: key.label,
              protection: key.protection,
              sign,
              tlsKey: () => "",
            };
          },
        },
      },
      publish: false,
    });
    const { claimString, claim } = await controller.enrolment.createClaim("local", { maxUses: 1, validFor: 60_000 });
    const answer = await aDevice(controller, "edge-1").enrol(claimString);
    expect(answer).toMatchObject({ type: "refused", code: "issued-mismatch" });
    await controller.store.transaction(async (tx) => {
      expect(await tx.intents.listOpen()).toEqual([]);
      expect((await tx.claims.find(claim.id))?.uses).toBe(0);
      expect(await tx.certificates.listOf("edge-1")).toEqual([]);
      expect(await tx.revocations.waitingShards(controller.revocation.issuer)).toMatchObject([{ count: 1 }]);
    });
  });
});

describe("a kill at a failpoint", () => {
  const during = failpoints.filter((name) => name.startsWith("issuance."));

  it.each(during)(
    "%s: every intent is closed, nothing is signed twice, the device gets one certificate (I2, I5)",
    async (name) => {
      const { controller, arm, reached } = await killedAt(await aWorld(), name);
      const { claimString, claim } = await controller.enrolment.createClaim("local", {
        maxUses: 1,
        validFor: 3_600_000,
      });
      const device = aDevice(controller, "edge-1");
      arm();
      void device.deliverEnrolment(claimString);
      await reached;

      const again = await startTestController({ world: controller.world });
      device.controller = again;
      expect(await device.enrol(claimString)).toMatchObject({ type: "issued" });
      const state = await again.store.transaction(async (tx) => ({
        open: await tx.intents.listOpen(),
        certificates: await tx.certificates.listOf("edge-1"),
        uses: (await tx.claims.find(claim.id))?.uses,
        shards: await tx.shards.listOf(again.revocation.issuer),
      }));
      expect(state.open).toEqual([]);
      expect(state.certificates).toHaveLength(1);
      expect(state.uses).toBe(1);
      await again.revocation.publish();
      const revoked = await burnt(again);
      expect(revoked).toBe(name === "issuance.after-store" ? 0 : 1);
    },
  );

  it.each(failpoints.filter((name) => name.startsWith("crl.")))(
    "%s: the epoch never goes back, and what waited is published",
    async (name) => {
      const { controller, arm, reached } = await killedAt(await aWorld(), name);
      const device = await anEnrolledDevice(controller, "edge-1");
      const { serial } = parseCertificate(device.certificate);
      arm();
      void controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
      await reached;

      const again = await startTestController({ world: controller.world });
      const before = (await again.store.transaction((tx) => tx.epochs.latest(again.revocation.issuer)))?.epoch ?? 0;
      const { epoch } = await again.revocation.publish();
      expect(epoch).toBeGreaterThan(before);
      expect(epoch).toBeGreaterThan(1);
      const list = await again.revocation.crlOf(again.revocation.issuer, 0);
      expect(parseCrl(list?.der ?? new Uint8Array()).find(serial)).toBeDefined();
      expect(await again.store.transaction((tx) => tx.intents.listOpen())).toEqual([]);
    },
  );
});

describe("a database put back from a backup", () => {
  it("uses no index twice", async () => {
    const controller = await startTestController();
    await anEnrolledDevice(controller, "edge-1");
    const { memoryStore } = await import("../adapters/store/memory/memory-store.ts");
    const restored = await startTestController({ world: { ...controller.world, store: memoryStore() } });
    const device = await anEnrolledDevice(restored, "edge-2");
    expect(parseCertificate(device.certificate).serial.index).toBe(1024);
  });
});

describe("requests of all kinds at once", () => {
  it("leave at most two usable certificates a slot and no open intent (I2, I5)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 8 }), async (choices) => {
        const controller = await startTestController();
        const device = await anEnrolledDevice(controller, "edge-1");
        const keys = Array.from({ length: 4 }, () => testSigner("P-256"));
        const csrs = await Promise.all(keys.map((signer) => encodeCsr({ signer, commonName: "edge-1" })));
        const orders = choices.map((choice) =>
          controller.issuance.toDevice({
            actor: "device:edge-1",
            device: "edge-1",
            slot: "identity",
            generation: 2,
            csr: parseCsr(csrs[choice] as Uint8Array),
            protection: "software",
            tokenSerial: "",
            profile: "device",
            claimId: "",
            judge: async () => undefined,
            commit: async () => undefined,
          }),
        );
        await Promise.allSettled(orders);
        await controller.store.transaction(async (tx) => {
          const usable = (await tx.certificates.listOf("edge-1")).filter(({ revokedAt }) => revokedAt === undefined);
          expect(usable.length).toBe(2);
          expect(await tx.intents.listOpen()).toEqual([]);
        });
        expect(device.generation).toBe(1);
      }),
      { numRuns: 10 },
    );
  });
});

async function burnt(controller: Awaited<ReturnType<typeof startTestController>>): Promise<number> {
  const list = await controller.revocation.crlOf(controller.revocation.issuer, 0);
  return parseCrl(list?.der ?? new Uint8Array()).entryCount;
}
