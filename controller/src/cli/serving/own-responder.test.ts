import { parseCertificate, spkiSha256 } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { anEnrolledDevice, startTestController } from "../../../../test/support/controller/controller.ts";
import { publishBundle } from "../../../../test/support/controller/publish-bundle.ts";
import type { ListenerCredential } from "../../trust/listener-certificates.ts";
import { openOwnResponder } from "./own-responder.ts";

const day = 86_400_000;

/** A controller that has changed its issuing CA, and its responder before and after. */
async function begin() {
  const controller = await startTestController({ config: "revocation: {ocsp: true}" });
  await anEnrolledDevice(controller, "edge-1");
  const own = new Map<string, ListenerCredential>();
  const responder = openOwnResponder(controller.config, { duties: controller, own });
  expect(await responder?.keepCredentials()).toHaveLength(1);
  const from = controller.issuers.issuing.id;
  const newIssuerKey = await controller.world.keys.generate({ algorithm: "P-256", label: "issuing" });
  await publishBundle(controller, { newIssuerKey });
  await controller.issuers.refresh();
  await controller.issuers.switchTo(newIssuerKey.id);
  const nameOf = (issuer: string): string => `ocsp-${issuer.slice(0, 16)}`;
  const certificateOf = (issuer: string) => {
    const [der] = own.get(nameOf(issuer))?.chain ?? [];
    return der && parseCertificate(der);
  };
  const keep = async () => await responder?.keepCredentials();
  return { controller, own, keep, certificateOf, from, to: newIssuerKey.id };
}

describe("who answers OCSP", () => {
  it("has a certificate of every issuing CA, of a retired one until the last that it has issued has ended", async () => {
    const { controller, keep, certificateOf, from, to } = await begin();
    expect(await keep()).toHaveLength(1);
    for (const [id, index] of [[from, 0] as const, [to, 1] as const]) {
      const { certificate } = controller.issuers.require(id);
      expect(certificateOf(id)?.issuer.equals(parseCertificate(certificate).subject)).toBe(true);
      expect(spkiSha256(parseCertificate(controller.trust.current().issuers[index] ?? certificate).spki)).toBe(id);
    }
    await publishBundle(controller, { retiredIssuer: from });
    const shards = await controller.store.transaction((tx) => tx.shards.listOf(from));
    const last = Math.max(...shards.map(({ notAfterTo }) => notAfterTo));
    const { clock } = controller.world;
    let renewals = 0;
    for (; clock.now() < last - day; clock.advance(day)) {
      renewals += ((await keep()) ?? []).filter((name) => name.endsWith(from.slice(0, 16))).length;
      expect(certificateOf(from)?.notAfter).toBeGreaterThan(clock.now());
      expect(certificateOf(from)?.notAfter).toBeLessThanOrEqual(last);
    }
    expect(renewals).toBeGreaterThan(1);
    expect(renewals).toBeLessThan(12);
    clock.advance(day);
    await keep();
    expect(certificateOf(from)).toBeUndefined();
    const after = await controller.store.transaction((tx) => tx.shards.listOf(from));
    expect(Math.max(...after.map(({ notAfterTo }) => notAfterTo))).toBe(last);
    expect(certificateOf(to)?.notAfter).toBeGreaterThan(clock.now());
  });

  it("gets another certificate from a CA that is distrusted after it was retired, to say so of all of it", async () => {
    const { controller, keep, certificateOf, from } = await begin();
    await keep();
    await publishBundle(controller, { retiredIssuer: from });
    const before = certificateOf(from);
    const former = [controller.world.pki.issuing.der];
    const envelopeOf = () => publishBundle(controller, { retiredIssuer: from, isDistrusted: true, former });
    await envelopeOf();
    expect([...controller.trust.distrusted().keys()]).toEqual([from]);
    await controller.revocation.endIssued("local", from);
    await keep();
    expect(certificateOf(from)?.sha256).not.toBe(before?.sha256);
    // Named once, however often it is distrusted.
    const { rootLists } = await envelopeOf();
    expect(rootLists).toHaveLength(1);
    const unknown = publishBundle(controller, { retiredIssuer: "ab".repeat(32), isDistrusted: true, former });
    await expect(unknown).rejects.toMatchObject({ code: "not-found" });
  });
});
