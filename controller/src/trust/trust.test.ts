import {
  acceptTrustBundle,
  commandKeyUseOf,
  decodeEnvelope,
  decodeMessage,
  formatTopic,
  isSignedBy,
  type TrustBundle,
} from "@fleetcert/proto";
import { type Instant, parseCertificate, validatePath } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import { maintain } from "../cli/serving/maintenance.ts";
import { planLadder } from "./command-ladder.ts";
import type { ListenerCredential } from "./listener-certificates.ts";
import { renewBundle } from "./renew-bundle.ts";
import type { RootIntent } from "./sign-ca.ts";

const day = 86_400_000;
const random = new SeededRandom(1);
const records = { recordIntent: async () => undefined, recordOutcome: async () => undefined };

async function renew(controller: TestController): Promise<TrustBundle> {
  const { rootKeys, keys, pki, clock } = controller.world;
  const { envelope } = await renewBundle({
    current: controller.trust.current(),
    now: clock.now(),
    rootSigner: await rootKeys.open(pki.rootKeyRef),
    ...{ keys, random, ...records },
  });
  return await controller.trust.publish(envelope, "local");
}

describe("the ladder of command keys", () => {
  it("has a valid key at every instant, each for at most 90 days, two at a time around a change", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 800 * day }), fc.double({ min: 0, max: 1, noNaN: true }), (life, share) => {
        const from = Date.UTC(2026, 0, 1);
        const steps = planLadder({ from, until: from + life });
        const at = from + life * share;
        const valid = steps.filter(({ notBefore, notAfter }) => notBefore <= at && at <= notAfter);
        expect(valid.length).toBeGreaterThanOrEqual(1);
        expect(valid.length).toBeLessThanOrEqual(2);
        expect(steps.every(({ notBefore, notAfter }) => notAfter - notBefore <= 90 * day)).toBe(true);
      }),
    );
  });
});

describe("the trust bundle", () => {
  it("is published, walks from the pinned root, and names one key for each use at a time", async () => {
    const controller = await startTestController();
    await controller.trust.announce();
    await controller.outbox.drain();
    const retained = controller.retained.get(formatTopic({ type: "trust" }));
    const bundle = acceptTrustBundle(retained ?? new Uint8Array(), { rootSha256: controller.world.pki.root.sha256 });
    expect(bundle).toEqual(controller.trust.current());
    const uses = new Set(bundle.commandKeys.map(({ use }) => use));
    expect(uses).toEqual(new Set(["messages", "heads", "time"]));
    const keyIds = bundle.commandKeys.map(({ keyId }) => keyId);
    expect(new Set(keyIds).size).toBe(keyIds.length);
  });

  it("is renewed with the root key only, keeps keys in use, and is accepted after its predecessor", async () => {
    const controller = await startTestController();
    const before = controller.trust.current();
    controller.world.clock.advance(200 * day);
    const after = await renew(controller);
    expect([after.era, after.version]).toEqual([1, 2]);
    expect(after.expires).toBe(controller.world.clock.now() + 400 * day);
    const used = before.commandKeys.filter(({ notAfter }) => notAfter >= controller.world.clock.now());
    for (const { keyId } of used) expect(after.commandKeys.map((key) => key.keyId)).toContain(keyId);
    const { keys } = controller.world;
    const request = {
      current: after,
      now: controller.world.clock.now(),
      rootSigner: testSigner("P-384"),
      keys,
      random,
      ...records,
    };
    await expect(renewBundle(request)).rejects.toMatchObject({ code: "trust-invalid" });
    const last = controller.trust.walk().at(-1) ?? new Uint8Array();
    expect(acceptTrustBundle(last, { rootSha256: controller.world.pki.root.sha256 }).version).toBe(2);
    await expect(controller.trust.publish(last, "local")).rejects.toMatchObject({ code: "trust-invalid" });
  });

  it("is refused when it names keys that are not kept here", async () => {
    const controller = await startTestController();
    const { rootKeys, pki, clock } = controller.world;
    const elsewhere = (await startTestController()).world.keys;
    const rootSigner = await rootKeys.open(pki.rootKeyRef);
    const current = controller.trust.current();
    clock.advance(day);
    const { envelope } = await renewBundle({
      current,
      now: clock.now(),
      rootSigner,
      keys: elsewhere,
      random,
      ...records,
    });
    await expect(controller.trust.publish(envelope, "local")).rejects.toMatchObject({ code: "key-not-found" });
    expect(controller.trust.current()).toEqual(current);
  });

  it("survives a restart in its newest version", async () => {
    const controller = await startTestController();
    controller.world.clock.advance(day);
    await renew(controller);
    const again = await startTestController({ world: controller.world });
    expect(again.trust.current().version).toBe(2);
  });
});

describe("what the root is about to sign", () => {
  it("is an intent that the bundle closes which brings it, or the next start as aborted (I2)", async () => {
    const controller = await startTestController();
    const { world, store, trust } = controller;
    const rootSigner = await world.rootKeys.open(world.pki.rootKeyRef);
    // Near its end the issuing CA gets a new certificate with the bundle.
    world.clock.advance(parseCertificate(world.pki.issuing.der).notAfter - world.clock.now() - 30 * day);
    const request = { now: world.clock.now(), keys: world.keys, random, current: trust.current(), rootSigner };
    const recordIntent = async (intent: RootIntent) => void (await trust.intend(intent, "local"));
    const failing = { ...rootSigner, sign: () => Promise.reject(new Error("the root's token was pulled")) };
    const renewal = renewBundle({ ...request, ...records, recordIntent, rootSigner: failing });
    await expect(renewal).rejects.toThrow("pulled");
    const open = () => store.transaction((tx) => tx.intents.listOpen());
    const [failed] = await open();
    const { envelope } = await renewBundle({ ...request, ...records, recordIntent });
    await trust.publish(envelope, "local");
    expect(await open()).toEqual([failed]);

    await startTestController({ world });
    expect(await open()).toEqual([]);
    const entries = await store.transaction((tx) => tx.audit.list(1, 1000));
    const about = entries.filter(({ details }) => details.includes(failed?.tbsSha256 ?? "none"));
    expect(about.map(({ action }) => action)).toEqual(["certificate.intent", "certificate.aborted"]);
  });
});

describe("three years", () => {
  it("pass without anybody being locked out by an expiry of the controller's own", async () => {
    const controller = await startTestController();
    const { world, trust } = controller;
    const device = await anEnrolledDevice(controller, "edge-1");
    const listener = { name: "broker", hosts: ["localhost", "127.0.0.1"] };
    const presented: ListenerCredential[] = [(await controller.listeners.ensure(listener)).credential];
    const replace = async (credential: ListenerCredential) => void presented.push(credential);
    const failures: string[] = [];
    const log = {
      info: () => undefined,
      warn: () => undefined,
      error: (_: object, event: string) => void failures.push(event),
    };
    let known = trust.current();
    for (const end = world.clock.now() + 3 * 365 * day; world.clock.now() < end; world.clock.advance(5 * day)) {
      const now = world.clock.now();
      await maintain({ duties: controller, clock: world.clock, listeners: [{ ...listener, replace }], log });
      if (now > trust.current().expires - 30 * day) await renew(controller);
      if (trust.current().version > known.version) {
        known = acceptTrustBundle(trust.walk().at(-1) ?? new Uint8Array(), { bundle: known });
      }
      requireGenuine(controller, known, now);
      requireServerValid(controller, presented.at(-1), now);
      const { notBefore, notAfter } = parseCertificate(device.certificate);
      if (now > notBefore + (notAfter - notBefore) * (2 / 3)) {
        expect(await device.rotate()).toMatchObject({ type: "confirmed" });
      }
      expect(await device.connect()).toMatchObject({ type: "operational" });
    }
    expect(failures).toEqual([]);
    expect(presented.length).toBeGreaterThan(40);
    expect(known.version).toBeGreaterThan(2);
    expect(device.generation).toBeGreaterThan(15);
  }, 120_000);
});

/** Head and messages verify under the bundle the device knows, by keys that are valid now. */
function requireGenuine(controller: TestController, bundle: TrustBundle, now: Instant): void {
  const envelope = controller.retained.get(formatTopic({ type: "head", issuer: controller.revocation.issuer }));
  const signed = decodeEnvelope(envelope ?? new Uint8Array());
  const { kind, body } = decodeMessage(signed.payload);
  const signers = bundle.commandKeys.filter(
    (key) => key.use === commandKeyUseOf(kind) && key.notBefore <= now && now <= key.notAfter,
  );
  expect(signers.some(({ spki }) => isSignedBy(signed, spki))).toBe(true);
  expect(body.type === "head" && body.nextUpdate).toBeGreaterThan(now);
  for (const use of ["messages", "heads", "time"] as const) {
    const { spki } = controller.trust.signerFor(use, now);
    expect(bundle.commandKeys.some((key) => Buffer.compare(key.spki, spki) === 0)).toBe(true);
  }
}

function requireServerValid(controller: TestController, credential: ListenerCredential | undefined, at: Instant): void {
  const [leaf = new Uint8Array(), ...intermediates] = credential?.chain ?? [];
  const roots = [controller.world.pki.root.der];
  const name = { dns: "localhost" } as const;
  expect(validatePath({ leaf, intermediates, roots, at, purpose: "serverAuth", name }).path).toHaveLength(3);
}
