import { acceptTrustBundle } from "@fleetcert/proto";
import { lintCrl, parseCertificate, parseCrl, type ReasonCode, Serial, spkiSha256, verifyCrl } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { anEnrolledDevice, aWorld, startTestController } from "../../../test/support/controller/controller.ts";
import { opensslVerify } from "../../../test/support/programs/openssl.ts";
import { readPublished } from "../../../test/support/revocation/published-revocation.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import { renewBundle } from "./renew-bundle.ts";
import type { RootIntent } from "./sign-ca.ts";
import { signRootList } from "./sign-root-list.ts";

const day = 86_400_000;
const silent = { recordIntent: async () => undefined, recordOutcome: async () => undefined };

describe("the root's own list", () => {
  it("is in the first bundle, outlives it, and is served under the name in the issuing CA's certificate", async () => {
    const world = await aWorld();
    const controller = await startTestController({ world });
    const { bundle, root, issuing } = world.pki;
    const crl = parseCrl(bundle.rootLists[0] ?? new Uint8Array());
    verifyCrl({ crl, issuer: root, at: world.clock.now() });
    expect([crl.crlNumber, crl.entryCount, lintCrl(crl.der)]).toEqual([1n, 0, []]);
    expect(crl.nextUpdate).toBeGreaterThan(bundle.expires + 300 * day);
    const id = spkiSha256(root.spki);
    expect(issuing.crlDistributionPoints).toEqual([`http://localhost:8080/crl/${id}.crl`]);
    expect(controller.trust.rootList(id)).toEqual(crl.der);
    expect(controller.trust.rootList("00".repeat(32))).toBeUndefined();
    expect(controller.trust.expiries()).toContainEqual({
      what: `root list ${id.slice(0, 16)}`,
      notAfter: crl.nextUpdate,
      renewedByItself: false,
    });
  });

  it("is signed anew with every bundle, under the bundle's version, and forgets no issuing CA it has named", async () => {
    const { world, intents, renewed, serial } = await renewal();
    const crl = parseCrl(renewed.bundle.rootLists[0] ?? new Uint8Array());
    verifyCrl({ crl, issuer: world.pki.root, at: world.clock.now() });
    expect(crl.crlNumber).toBe(BigInt(renewed.bundle.version));
    expect(crl.find(serial)).toMatchObject({ reason: "cACompromise" });
    expect(renewed.bundle.rootLists).toHaveLength(1);
    const { tbsSha256 } = intents.find(({ kind }) => kind === "crl") ?? {};
    expect(tbsSha256).toHaveLength(64);
  });

  it("completes the chain's lists for OpenSSL, which refuses the chain without it", async () => {
    const controller = await startTestController();
    const { certificate } = await anEnrolledDevice(controller, "edge-1");
    await controller.revocation.publish();
    const { lists } = await readPublished(controller);
    const { root, issuing, bundle } = controller.world.pki;
    const verdict = (crls: readonly Uint8Array[]) =>
      opensslVerify({
        leaf: certificate,
        intermediates: [issuing.der],
        roots: [root.der],
        at: controller.world.clock.now(),
        purpose: "clientAuth",
        crls,
      });
    const own = lists.map(({ der }) => der);
    expect(verdict([...own, ...bundle.rootLists])).toMatchObject({ isAccepted: true });
    expect(verdict(own)).toMatchObject({ isAccepted: false, output: expect.stringContaining("CRL") });
  });
});

/** A bundle whose root's list names a CA, renewed. */
async function renewal() {
  const world = await aWorld();
  const { pki, clock, keys, rootKeys } = world;
  const rootSigner = await rootKeys.open(pki.rootKeyRef);
  const serial = Serial.parse("4011223344556677");
  const reason: ReasonCode = "cACompromise";
  const entries = [{ serial, revokedAt: clock.now(), reason }];
  const now = clock.now();
  const list = await signRootList(silent, { root: pki.root, signer: rootSigner, number: 1, now, entries });
  clock.advance(100 * day);
  const intents: RootIntent[] = [];
  const renewed = await renewBundle({
    ...silent,
    recordIntent: async (intent) => void intents.push(intent),
    current: { ...pki.bundle, rootLists: [list] },
    now: clock.now(),
    ...{ rootSigner, keys, random: new SeededRandom(1) },
  });
  expect(acceptTrustBundle(renewed.envelope, { bundle: pki.bundle })).toEqual(renewed.bundle);
  expect(parseCertificate(renewed.bundle.roots[0] ?? new Uint8Array()).sha256).toBe(pki.root.sha256);
  return { world, intents, renewed, serial };
}
