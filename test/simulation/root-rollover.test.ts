import { acceptTrustBundle, decodeEnvelope, decodeTrustBundle, signerHints } from "@fleetcert/proto";
import {
  parseCertificate,
  parseClaimString,
  parseCrl,
  type Signer,
  sha256Hex,
  signCertificate,
  spkiSha256,
  validatePath,
  verifyCrl,
} from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { walkTrust } from "../../agent/src/enrolment/walk-trust.ts";
import { ServerCheck } from "../../agent/src/server/verify-server.ts";
import { type BundleRenewal, renewBundle } from "../../controller/src/trust/renew-bundle.ts";
import {
  aDevice,
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../support/controller/controller.ts";
import { testSigner } from "../support/keys/test-signer.ts";
import { opensslVerify } from "../support/programs/openssl.ts";

const minute = 60_000;
type Device = Awaited<ReturnType<typeof anEnrolledDevice>>;

/** Makes and publishes a bundle as the command does: signed by the newest root, or by one named. */
async function publishBundle(controller: TestController, change: Partial<BundleRenewal> = {}) {
  const { world, trust } = controller;
  const renewed = await renewBundle({
    ...{ current: trust.current(), now: world.clock.now(), keys: world.keys, crlBase: "http://localhost:8080" },
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)), fraction: () => 0.5 },
    rootSigner: await world.rootKeys.open(world.pki.rootKeyRef),
    recordIntent: (intent) => trust.intend(intent, "local").then(() => undefined),
    recordOutcome: async () => undefined,
    ...change,
  });
  await trust.publish(renewed.envelope, "local");
  return renewed;
}

/** A new root with an issuing CA under it goes into the bundle, and the rollover begins. */
async function begin(controller: TestController, change: Partial<BundleRenewal> = {}) {
  const newRootSigner = testSigner("P-384");
  const newIssuerKey = await controller.world.keys.generate({ algorithm: "P-256", label: "issuing" });
  const { bundle, envelope } = await publishBundle(controller, { newRootSigner, newIssuerKey, ...change });
  const { rollover } = await controller.rollovers.begin("operator:alice", {
    ...{ to: newIssuerKey.id, spread: 0, percents: [100] },
    thresholds: { always: 100, daily: 100, rare: 0, courier: 0 },
    // Half of the fleet is switched off.
    gates: { provenPercent: 50, maxFailures: 0, within: 60 * minute, soak: 0 },
  });
  return { newRootSigner, bundle, envelope, to: newIssuerKey.id, rollover };
}

async function holdBundle(device: Device, version: number): Promise<void> {
  const answer = await device.ask({
    ...{ type: "report", agentVersion: "test", platform: "test", clockOffset: 0, timeStatus: "known" },
    ...{ slots: [], epochs: [], trustEra: 1, trustVersion: version, desiredVersion: 99, outboxLength: 0 },
  });
  expect(answer.type).toBe("received");
}

/** What the broker's listener presents now. */
const presented = async ({ listeners }: TestController) =>
  (await listeners.ensure({ name: "broker", hosts: ["localhost"] })).credential.chain;

/** The server is known by every root claims were made with and by every bundle a device may hold; each leads on to the one in force. */
async function requireKnownByAll(controller: TestController): Promise<void> {
  const chain = await presented(controller);
  const at = { at: controller.world.clock.now(), status: "anchored" } as const;
  const current = controller.trust.current();
  for (const envelope of controller.world.bundles) {
    const bundle = decodeTrustBundle(decodeEnvelope(envelope).payload);
    new ServerCheck("localhost", { bundle }, () => false).verify(chain, at);
    expect(walkTrust(controller.trust.walk(), { bundle }).bundle).toEqual(current);
  }
  const known = controller.trust.roots().map((der) => sha256Hex(der));
  const { root: pinned } = await controller.rollovers.status();
  for (const rootSha256 of known.slice(0, known.indexOf(pinned) + 1)) {
    const pin = { rootSha256, fleet: "demo" };
    new ServerCheck("localhost", pin, () => false).verify(chain, at);
    expect(walkTrust(controller.trust.walk(), pin).bundle).toEqual(current);
  }
}

const pinOf = async (controller: TestController) => {
  const { claimString } = await controller.enrolment.createClaim("local", { maxUses: 5, validFor: 600 * minute });
  return { claimString, pin: parseClaimString(claimString).rootSha256 };
};

const state = async (controller: TestController) => (await controller.rollovers.status()).rollover?.state;

async function step(controller: TestController): Promise<void> {
  await controller.rollovers.step();
  await controller.rollouts.step();
  await requireKnownByAll(controller);
}

/** From the switch to the end of the waves: everybody who is there rotates. */
async function carryThrough(controller: TestController, here: readonly Device[]): Promise<void> {
  for (const one of here) await holdBundle(one, controller.trust.current().version);
  for (let steps = 0; (await state(controller)) !== "reissuing"; steps++) {
    expect(steps).toBeLessThan(5);
    await step(controller);
  }
  for (const one of here) expect(await one.rotate()).toMatchObject({ type: "confirmed" });
  for (let steps = 0; (await state(controller)) !== "retiring"; steps++) {
    expect(steps).toBeLessThan(5);
    await step(controller);
  }
}

async function aFleet() {
  const controller = await startTestController();
  const [here, away] = [await anEnrolledDevice(controller, "edge-1"), await anEnrolledDevice(controller, "edge-2")];
  await controller.inventory.setAttributes("local", "edge-2", { connectivity: "rare" });
  return { controller, here, away };
}

describe("a change of the root", () => {
  it("brings the new root in by both signatures, with a bridge from the old one and a list of its own", async () => {
    const { controller } = await aFleet();
    const { pki } = controller.world;
    const { bundle, envelope, newRootSigner, rollover } = await begin(controller);
    expect(bundle.roots.map((der) => sha256Hex(der))).toEqual([pki.root.sha256, rollover?.toRoot]);
    expect(rollover).toMatchObject({ fromRoot: pki.root.sha256, state: "distributing" });
    expect(signerHints(decodeEnvelope(envelope))).toEqual([spkiSha256(pki.root.spki), spkiSha256(newRootSigner.spki)]);
    expect(acceptTrustBundle(envelope, { bundle: pki.bundle })).toEqual(bundle);
    const newRoot = parseCertificate(bundle.roots[1] ?? new Uint8Array());
    const issuer = parseCertificate(bundle.issuers[1] ?? new Uint8Array());
    expect(issuer.issuer.equals(newRoot.subject)).toBe(true);
    expect(issuer.crlDistributionPoints).toEqual([`http://localhost:8080/crl/${spkiSha256(newRoot.spki)}.crl`]);
    const list = parseCrl(controller.trust.rootList(spkiSha256(newRoot.spki)) ?? new Uint8Array());
    verifyCrl({ crl: list, issuer: newRoot });
    const [bridge = new Uint8Array()] = bundle.bridges;
    const roots = [pki.root.der];
    const at = controller.world.clock.now();
    const question = { leaf: issuer.der, intermediates: [bridge], roots, at, purpose: "any" } as const;
    expect(opensslVerify(question)).toMatchObject({ isAccepted: true });
    const entries = await controller.store.transaction((tx) => tx.audit.list(1, 1000));
    const created = entries.filter(({ action }) => action === "ca.created").map(({ target }) => target);
    expect(created).toEqual(["root CA", "bridge to the new root", "issuing CA"]);
    expect(await controller.store.transaction((tx) => tx.intents.listOpen())).toEqual([]);
  });

  it("lets everybody connect at every step: who holds any bundle, who has a claim of before, who was away for all of it", async () => {
    const { controller, here, away } = await aFleet();
    const before = await pinOf(controller);
    const oldRoot = controller.world.pki.root;
    const { newRootSigner, rollover } = await begin(controller);
    await requireKnownByAll(controller);
    // Nobody who does not hold the bundle has to believe anything of the new root yet.
    expect((await pinOf(controller)).pin).toBe(oldRoot.sha256);
    const chain = await presented(controller);
    expect(chain).toHaveLength(3);

    await carryThrough(controller, [here]);
    expect((await pinOf(controller)).pin).toBe(rollover?.toRoot);
    await publishBundle(controller, {
      rootSigner: newRootSigner,
      retiredIssuer: rollover?.from ?? "",
      retiredRoot: rollover?.fromRoot ?? "",
    });
    await controller.rollovers.finish("operator:alice");
    expect(await state(controller)).toBe("finished");
    await requireKnownByAll(controller);
    const { roots, issuers, rootLists } = controller.trust.current();
    expect([roots.map((der) => sha256Hex(der)), issuers.length, rootLists.length]).toEqual([[rollover?.toRoot], 1, 1]);
    // The retired root's list is served on, for software that meets a certificate of before.
    expect(controller.trust.rootList(spkiSha256(oldRoot.spki))).toBeDefined();

    const restarted = await startTestController({ world: controller.world });
    for (const device of [here, away]) device.controller = restarted;
    await requireKnownByAll(restarted);
    expect(await away.connect()).toMatchObject({ type: "operational", device: "edge-2" });
    expect(await away.rotate()).toMatchObject({ type: "confirmed", generation: 2 });
    const late = aDevice(restarted, "edge-3");
    expect(await late.enrol(before.claimString)).toMatchObject({ type: "issued" });
    for (const { certificate } of [here, away, late]) {
      const intermediates = restarted.trust.current().issuers;
      const question = { leaf: certificate, intermediates, roots: restarted.trust.current().roots } as const;
      const at = restarted.world.clock.now();
      expect(validatePath({ ...question, at, purpose: "clientAuth" }).path).toHaveLength(3);
    }
  });

  it("may be done again: a device and a claim of the first root are led over both bridges", async () => {
    const { controller, here, away } = await aFleet();
    let rootSigner: Signer = await controller.world.rootKeys.open(controller.world.pki.rootKeyRef);
    for (const round of [1, 2]) {
      const { newRootSigner, rollover } = await begin(controller, { rootSigner });
      await carryThrough(controller, [here]);
      const retired = { retiredIssuer: rollover?.from ?? "", retiredRoot: rollover?.fromRoot ?? "" };
      await publishBundle(controller, { rootSigner: newRootSigner, ...retired });
      await controller.rollovers.finish("operator:alice");
      await requireKnownByAll(controller);
      expect(controller.trust.current().bridges).toHaveLength(round);
      rootSigner = newRootSigner;
    }
    expect(await presented(controller)).toHaveLength(7);
    expect(await away.connect()).toMatchObject({ device: "edge-2" });
  });

  it("leads nobody from a root whose key may be another's: a claim of before is refused by name, a bundle of before too", async () => {
    const { controller, here } = await aFleet();
    const { newRootSigner, rollover } = await begin(controller);
    await carryThrough(controller, [here]);
    const { isNew } = await controller.listeners.ensure({ name: "broker", hosts: ["localhost"] });
    expect(isNew).toBe(false);
    await publishBundle(controller, {
      ...{ rootSigner: newRootSigner, retiredIssuer: rollover?.from ?? "", retiredRoot: rollover?.fromRoot ?? "" },
      withoutBridges: true,
    });
    await controller.rollovers.finish("operator:alice");
    // What the listeners present is replaced, though the certificate stays.
    const { isNew: isOther, credential } = await controller.listeners.ensure({ name: "broker", hosts: ["localhost"] });
    expect([isOther, credential.chain.length]).toEqual([true, 3]);
    const at = { at: controller.world.clock.now(), status: "anchored" } as const;
    const { root, bundle } = controller.world.pki;
    const byPin = new ServerCheck("localhost", { rootSha256: root.sha256 }, () => false);
    expect(() => byPin.verify(credential.chain, at)).toThrow(
      expect.objectContaining({ code: "path-invalid", message: expect.stringContaining("pinned root") }),
    );
    const byBundle = new ServerCheck("localhost", { bundle }, () => false);
    expect(() => byBundle.verify(credential.chain, at)).toThrow(expect.objectContaining({ code: "path-invalid" }));
  });

  it("is refused by a root that may not vouch for another, unless nobody is to be led over", async () => {
    const { controller } = await aFleet();
    const [first = new Uint8Array()] = controller.trust.current().roots;
    expect(parseCertificate(first).pathLen).toBeUndefined();
    const rootSigner = await controller.world.rootKeys.open(controller.world.pki.rootKeyRef);
    const request = { current: controller.trust.current(), rootSigner, newRootSigner: testSigner("P-384") };
    const { root, request: narrow } = await constrained(request);
    expect(root.pathLen).toBe(1);
    const parts = { keys: controller.world.keys, now: controller.world.clock.now(), ...silent };
    await expect(renewBundle({ ...narrow, ...parts })).rejects.toMatchObject({ code: "conflict" });
    const { bundle } = await renewBundle({ ...narrow, ...parts, withoutBridges: true });
    expect([bundle.roots.length, bundle.bridges.length]).toEqual([2, 0]);
  });

  it("is finished only without the old root in the bundle, and by another root than the one that goes", async () => {
    const { controller, here } = await aFleet();
    const { newRootSigner, rollover } = await begin(controller);
    await carryThrough(controller, [here]);
    await publishBundle(controller, { rootSigner: newRootSigner, retiredIssuer: rollover?.from ?? "" });
    await expect(controller.rollovers.finish("local")).rejects.toMatchObject({ code: "conflict" });
    const retiredRoot = rollover?.fromRoot ?? "";
    await expect(publishBundle(controller, { retiredRoot })).rejects.toMatchObject({ code: "trust-invalid" });
  });
});

const silent = {
  recordIntent: async () => undefined,
  recordOutcome: async () => undefined,
  random: { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)), fraction: () => 0.5 },
};

/** The same request with a root as earlier versions made it: one CA below it. */
async function constrained(request: Pick<BundleRenewal, "current" | "rootSigner" | "newRootSigner">) {
  const { current, rootSigner } = request;
  const { subject, notBefore, notAfter, serial } = parseCertificate(current.roots[0] ?? new Uint8Array());
  const der = await signCertificate(
    {
      ...{ serial, notBefore, notAfter, issuer: subject.der, spki: rootSigner.spki, issuerSpki: rootSigner.spki },
      ...{ subject: { commonName: subject.commonName ?? "" }, signatureAlgorithmOf: rootSigner.algorithm },
      ...{ basicConstraints: { ca: true, pathLen: 1 }, keyUsage: ["keyCertSign", "cRLSign"] },
    },
    rootSigner,
  );
  return { root: parseCertificate(der), request: { ...request, current: { ...current, roots: [der], rootLists: [] } } };
}
