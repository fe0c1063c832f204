import { FleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  aBundle,
  aCommandKey,
  anIssuer,
  aRoot,
  signedBundle,
  type TestCa,
  testFleet,
} from "../../test/support/pki/fleet-trust.ts";
import { payloadTypes, signEnvelope } from "./envelope.ts";
import {
  acceptTrustBundle,
  commandKeyUseOf,
  decodeTrustBundle,
  encodeTrustBundle,
  type TrustBundle,
} from "./trust-bundle.ts";

let root: TestCa;
let second: TestCa;
let stranger: TestCa;
let issuer: TestCa;

beforeAll(async () => {
  root = await aRoot();
  second = await aRoot("Second root");
  stranger = await aRoot("Stranger");
  issuer = await anIssuer(root);
});

describe("the trust bundle", () => {
  it("gives back everything it encoded", () => {
    const commandKeys = [aCommandKey("messages"), aCommandKey("time"), aCommandKey("heads", { issuers: [issuer.id] })];
    const bundle = bundleOf({ issuers: [issuer.certificate.der], commandKeys: commandKeys.map(({ entry }) => entry) });
    expect(decodeTrustBundle(encodeTrustBundle(bundle))).toEqual(bundle);
  });

  it("carries at most four bridges, and none in bundles from before there were any", () => {
    const bridges = Array.from({ length: 4 }, () => second.certificate.der);
    expect(decodeTrustBundle(encodeTrustBundle(bundleOf({ bridges }))).bridges).toEqual(bridges);
    const tooMany = encodeTrustBundle(bundleOf({ bridges: [...bridges, root.certificate.der] }));
    expect(() => decodeTrustBundle(tooMany)).toThrow(FleetError);
    const tooLong = encodeTrustBundle(bundleOf({ bridges: [new Uint8Array(8193)] }));
    expect(() => decodeTrustBundle(tooLong)).toThrow(FleetError);
    expect(decodeTrustBundle(encodeTrustBundle(bundleOf({}))).bridges).toEqual([]);
  });

  it("answers any bytes with a bundle or a typed error", () => {
    const start = encodeTrustBundle(bundleOf({ commandKeys: [aCommandKey("messages").entry] }));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(start.length), (noise, at) => {
        const bytes = Buffer.concat([start.subarray(0, at), noise, start.subarray(at + noise.length)]);
        try {
          expect(decodeTrustBundle(bytes).roots.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(FleetError);
        }
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["head", "heads"],
    ["time", "time"],
    ["desired", "messages"],
    ["issued", "messages"],
  ] as const)("asks of the signer of a %s message a key for %s", (kind, use) => {
    expect(commandKeyUseOf(kind)).toBe(use);
  });
});

describe("accepting a trust bundle", () => {
  it("begins at the pinned root", async () => {
    const first = bundleOf({ version: 4 });
    const accepted = acceptTrustBundle(await signedBundle(first, root), { rootSha256: root.certificate.sha256 });
    expect(accepted).toEqual(first);
  });

  it("refuses a first bundle whose pinned root did not sign", async () => {
    const bytes = await signedBundle(bundleOf({ roots: [root.certificate.der, stranger.certificate.der] }), stranger);
    expect(() => acceptTrustBundle(bytes, { rootSha256: root.certificate.sha256 })).toThrow(refused);
  });

  it("refuses a first bundle that does not hold the pinned root, though it is signed by it", async () => {
    const bytes = await signedBundle(bundleOf({ roots: [stranger.certificate.der] }), stranger, root);
    expect(() => acceptTrustBundle(bytes, { rootSha256: root.certificate.sha256 })).toThrow(refused);
  });

  it("refuses a first bundle of another fleet than the claim names", async () => {
    const bytes = await signedBundle(bundleOf({ fleet: "elsewhere" }), root);
    const pin = { rootSha256: root.certificate.sha256, fleet: testFleet };
    expect(() => acceptTrustBundle(bytes, pin)).toThrow(refused);
  });

  it("walks from root to root: each version signed by the one before and by what is new in it", async () => {
    const both = bundleOf({ version: 2, roots: [root.certificate.der, second.certificate.der] });
    const onlySecond = bundleOf({ version: 3, roots: [second.certificate.der] });
    const known = acceptTrustBundle(await signedBundle(both, root, second), { bundle: bundleOf({ version: 1 }) });
    expect(acceptTrustBundle(await signedBundle(onlySecond, second), { bundle: known }).version).toBe(3);
  });

  it("refuses to skip the version that introduced the new root", async () => {
    const bytes = await signedBundle(bundleOf({ version: 3, roots: [second.certificate.der] }), second);
    expect(() => acceptTrustBundle(bytes, { bundle: bundleOf({ version: 1 }) })).toThrow(refused);
  });

  it("refuses a new root that has not signed", async () => {
    const both = bundleOf({ version: 2, roots: [root.certificate.der, second.certificate.der] });
    const bytes = await signedBundle(both, root);
    expect(() => acceptTrustBundle(bytes, { bundle: bundleOf({ version: 1 }) })).toThrow(refused);
  });

  it("refuses a successor that only a root of its own signed", async () => {
    const bytes = await signedBundle(bundleOf({ version: 2, roots: [stranger.certificate.der] }), stranger);
    expect(() => acceptTrustBundle(bytes, { bundle: bundleOf({ version: 1 }) })).toThrow(refused);
  });

  it.each([
    ["the same version", { version: 5 }],
    ["an older version", { version: 4 }],
    ["a higher version of an older era", { era: 1, version: 9 }],
  ])("refuses rollback: %s", async (_, change) => {
    const bytes = await signedBundle(bundleOf({ era: 2, ...change }), root);
    expect(() => acceptTrustBundle(bytes, { bundle: bundleOf({ era: 2, version: 5 }) })).toThrow(refused);
  });

  it("takes a lower version of a higher era", async () => {
    const bytes = await signedBundle(bundleOf({ era: 3, version: 1 }), root);
    expect(acceptTrustBundle(bytes, { bundle: bundleOf({ era: 2, version: 5 }) }).era).toBe(3);
  });

  it("refuses a bundle of another fleet", async () => {
    const bytes = await signedBundle(bundleOf({ version: 2, fleet: "elsewhere" }), root);
    expect(() => acceptTrustBundle(bytes, { bundle: bundleOf({ version: 1 }) })).toThrow(refused);
  });

  it("takes the successor of an expired bundle", async () => {
    const bytes = await signedBundle(bundleOf({ version: 2 }), root);
    expect(acceptTrustBundle(bytes, { bundle: bundleOf({ version: 1, expires: 1 }) }).version).toBe(2);
  });

  it("refuses a message in the place of a bundle, though a root signed it", async () => {
    const payload = encodeTrustBundle(bundleOf({ version: 2 }));
    const bytes = await signEnvelope(payloadTypes.message, payload, root.signer);
    expect(() => acceptTrustBundle(bytes, { bundle: bundleOf({ version: 1 }) })).toThrow(refused);
  });
});

const refused = expect.objectContaining({ code: "trust-invalid" });

function bundleOf(changes: Partial<TrustBundle>): TrustBundle {
  return aBundle({ roots: [root.certificate.der], ...changes });
}
