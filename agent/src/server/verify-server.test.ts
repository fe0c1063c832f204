import type { TrustBundle } from "@fleetcert/proto";
import { Serial, signCertificate } from "@fleetcert/shared";
import { beforeAll, describe, expect, it } from "vitest";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { aBundle, anIssuer, aRoot, type TestCa, testNow } from "../../../test/support/pki/fleet-trust.ts";
import { ServerCheck } from "./verify-server.ts";

const day = 86_400_000;
const anchored = { at: testNow, status: "anchored" } as const;
const unverified = { at: testNow - 3650 * day, status: "unverified" } as const;
const refused = expect.objectContaining({ code: "path-invalid" });

describe("the check of a server", () => {
  let bundle: TrustBundle;
  let root: TestCa;
  let issuing: TestCa;
  let chain: Uint8Array[];
  beforeAll(async () => {
    root = await aRoot();
    issuing = await anIssuer(root);
    bundle = aBundle({ roots: [root.certificate.der], issuers: [issuing.certificate.der] });
    chain = [await serverLeaf(issuing), issuing.certificate.der, root.certificate.der];
  });
  const check = (host = "controller.test", trust: ConstructorParameters<typeof ServerCheck>[1] = { bundle }) =>
    new ServerCheck(host, trust, () => false);

  it("accepts the controller by the trust bundle, or by the pinned root that it presents", () => {
    const pinned = check("controller.test", { rootSha256: root.certificate.sha256 });
    for (const one of [check(), pinned, check("127.0.0.1")]) {
      expect(() => one.verify(chain, anchored)).not.toThrow();
    }
  });

  it("needs the pinned root in the chain, since nothing else says what it is", () => {
    const pinned = check("controller.test", { rootSha256: root.certificate.sha256 });
    expect(() => pinned.verify(chain.slice(0, 2), anchored)).toThrow(refused);
  });

  it("refuses a man in the middle with a chain of his own, whatever its names", async () => {
    const other = await aRoot("Root");
    const between = await anIssuer(other, "Issuing");
    const forged = [await serverLeaf(between), between.certificate.der, other.certificate.der];
    expect(() => check().verify(forged, anchored)).toThrow(refused);
    expect(() => check("controller.test", { rootSha256: root.certificate.sha256 }).verify(forged, anchored)).toThrow(
      refused,
    );
    expect(() =>
      check("controller.test", { rootSha256: root.certificate.sha256 }).verify(
        [...forged, root.certificate.der],
        anchored,
      ),
    ).toThrow(refused);
  });

  it("refuses another host, a device's certificate, and no certificate at all", async () => {
    expect(() => check("elsewhere.test").verify(chain, anchored)).toThrow(refused);
    const device = [await serverLeaf(issuing, { extendedKeyUsage: ["clientAuth"] }), ...chain.slice(1)];
    expect(() => check().verify(device, anchored)).toThrow(refused);
    expect(() => check().verify([], anchored)).toThrow(refused);
  });

  it("judges dates at once when the time is vouched for, and otherwise when a signed time comes", async () => {
    const expired = [await serverLeaf(issuing, { notAfter: testNow - day }), ...chain.slice(1)];
    expect(() => check().verify(expired, anchored)).toThrow(refused);
    const deferred = check();
    deferred.verify(expired, unverified);
    expect(() => deferred.verifyDates(testNow)).toThrow(refused);
    const good = check();
    good.verify(chain, unverified);
    good.verifyDates(testNow);
  });

  it("I3: refuses a server whose certificate is revoked in what this device has applied", () => {
    const revoked = new ServerCheck("controller.test", { bundle }, (issuer) => issuer === issuing.id);
    expect(() => revoked.verify(chain, anchored)).toThrow(refused);
    expect(() => revoked.verify(chain, unverified)).toThrow(refused);
  });
});

function serverLeaf(
  by: TestCa,
  changes: { readonly notAfter?: number; readonly extendedKeyUsage?: readonly ["clientAuth"] } = {},
): Promise<Uint8Array> {
  return signCertificate(
    {
      serial: Serial.make({ shard: 0, index: 1, random13: new Uint8Array(13).fill(1) }),
      issuer: by.certificate.subject.der,
      subject: { commonName: "controller" },
      notBefore: testNow - 30 * day,
      notAfter: testNow + 30 * day,
      spki: testSigner("P-256").spki,
      issuerSpki: by.signer.spki,
      signatureAlgorithmOf: by.signer.algorithm,
      keyUsage: ["digitalSignature"],
      extendedKeyUsage: ["serverAuth"],
      subjectAlternativeNames: [{ dns: "controller.test" }, { ip: "127.0.0.1" }],
      ...changes,
    },
    by.signer,
  );
}
