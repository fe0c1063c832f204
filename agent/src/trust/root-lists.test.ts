import { assembleSigned, encodeTbsCrl, subjectKeyIdOf } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { aBundle, aRoot, type TestCa, testNow } from "../../../test/support/pki/fleet-trust.ts";
import { rootListsOf } from "./root-lists.ts";

async function listBy(named: TestCa, signer = named): Promise<Uint8Array> {
  const { algorithm, spki } = named.signer;
  const tbs = encodeTbsCrl({
    issuer: named.certificate.subject.der,
    authorityKeyId: named.certificate.subjectKeyId ?? subjectKeyIdOf(spki),
    thisUpdate: testNow,
    nextUpdate: testNow + 86_400_000,
    crlNumber: 1,
    entries: [],
    signatureAlgorithmOf: algorithm,
  });
  return assembleSigned(tbs, algorithm, await signer.signer.sign(tbs));
}

describe("the lists of roots in a bundle", () => {
  it("are handed on when they are their root's, and left out with a warning when they are not", async () => {
    const [root, other] = [await aRoot("One"), await aRoot("Two")];
    const log = new KeptLog();
    const lists = (...rootLists: Uint8Array[]) =>
      rootListsOf(aBundle({ roots: [root.certificate.der], rootLists }), log).map(({ issuer }) => issuer.commonName);
    expect(lists(await listBy(root))).toEqual(["One"]);
    expect(lists(await listBy(other))).toEqual([]);
    expect(log.lines).toEqual([]);
    expect(lists(await listBy(root, other), Uint8Array.of(0x30, 0), await listBy(root))).toEqual(["One"]);
    expect(log.lines).toHaveLength(2);
    expect(rootListsOf(undefined, log)).toEqual([]);
  });
});
