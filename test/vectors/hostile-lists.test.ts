import {
  assembleSigned,
  encodeTbsCrl,
  isFleetError,
  parseCrl,
  type ReasonCode,
  Serial,
  subjectKeyIdOf,
  verifyCrl,
} from "@fleetcert/shared";
import { beforeAll, describe, expect, it } from "vitest";
import { zstdListPatches } from "../../agent/src/adapters/zstd-list-patches.ts";
import { zstdListPatches as patchMaker } from "../../controller/src/adapters/compression/zstd-list-patches.ts";
import { cpuMsOf } from "../support/cpu-time.ts";
import { aRoot, type TestCa, testNow } from "../support/fleet-trust.ts";
import { Mutations } from "../support/mutations.ts";

const isLong = process.env["FLEETCERT_LONG"] === "1";
const runs = isLong ? 1_000_000 : 100_000;
const patchRuns = isLong ? 100_000 : 10_000;
const reasons: readonly ReasonCode[] = ["keyCompromise", "certificateHold", "unspecified", "superseded"];

let ca: TestCa;
beforeAll(async () => {
  ca = await aRoot();
});

async function aList(number: number, indices: readonly number[], deltaBase?: number): Promise<Uint8Array> {
  const { algorithm, spki } = ca.signer;
  const tbs = encodeTbsCrl({
    issuer: ca.certificate.subject.der,
    authorityKeyId: ca.certificate.subjectKeyId ?? subjectKeyIdOf(spki),
    thisUpdate: testNow,
    nextUpdate: testNow + 86_400_000,
    crlNumber: number,
    entries: indices.map((index) => ({
      serial: Serial.make({ shard: 1, index, random13: new Uint8Array(13).fill(index) }),
      revokedAt: testNow - index * 1000,
      reason: reasons[index % reasons.length] as ReasonCode,
      ...(index % 5 === 0 && { invalidityDate: testNow - 86_400_000 }),
    })),
    issuingDistributionPoint: { uris: ["http://127.0.0.1:1/crl/1.crl"] },
    ...(deltaBase === undefined ? { freshestCrl: "http://127.0.0.1:1/crl/1-delta.crl" } : { deltaBase }),
    signatureAlgorithmOf: algorithm,
  });
  return assembleSigned(tbs, algorithm, await ca.signer.sign(tbs));
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const memory = () => {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
};

describe("hostile lists", () => {
  it(`${runs} changed lists and deltas: a typed error or what was signed, each within 100 ms, and no memory is kept`, async () => {
    const originals = [await aList(7, range(0, 12)), await aList(7, range(3, 6), 5), await aList(7, [])];
    const mutations = new Mutations(0x5eed);
    const before = memory();
    const tally = { unreadable: 0, unsigned: 0, genuine: 0 };
    let slowestMs = 0;
    for (let run = 0; run < runs; run++) {
      const original = originals[run % originals.length] as Uint8Array;
      const hostile = mutations.of(original);
      slowestMs = Math.max(
        slowestMs,
        cpuMsOf(() => {
          tally[judge(hostile, original)] += 1;
        }),
      );
    }
    expect(slowestMs).toBeLessThan(100);
    expect(memory() - before).toBeLessThan(64);
    // Each answer must have been reached, or the changes are too wild or too tame to say anything.
    expect(tally.unreadable).toBeGreaterThan(runs / 10);
    expect(tally.unsigned).toBeGreaterThan(runs / 20);
    expect(tally.genuine).toBeLessThan(runs / 20);
  });

  /** Whatever verifies must be octet for octet what was signed. */
  function judge(hostile: Uint8Array, original: Uint8Array): "unreadable" | "unsigned" | "genuine" {
    try {
      const crl = parseCrl(hostile);
      for (const entry of crl.entries()) if (crl.find(entry.serial) === undefined) throw new Error("an entry is lost");
      verifyCrl({ crl, issuer: ca.certificate });
    } catch (error) {
      if (isFleetError(error, "crl-invalid")) return "unreadable";
      if (isFleetError(error, "revocation-invalid", "signature-invalid")) return "unsigned";
      throw error;
    }
    if (Buffer.compare(hostile, original) === 0) return "genuine";
    throw new Error(`a changed list verifies: ${Buffer.from(hostile).toString("hex")}`);
  }
});

describe("hostile patches", () => {
  it(`${patchRuns} changed patches: a typed error or octets no longer than allowed, and no memory is kept`, async () => {
    const [base, target] = [await aList(7, range(0, 60)), await aList(8, [...range(0, 60), 77])];
    const patch = await patchMaker.make(base, target);
    const mutations = new Mutations(0xbad);
    const before = memory();
    const tally = { refused: 0, other: 0, target: 0 };
    for (let run = 0; run < patchRuns; run++) {
      const hostile = mutations.of(patch);
      try {
        const made = await zstdListPatches.apply({ base, patch: hostile, length: target.length });
        expect(made.length).toBeLessThanOrEqual(target.length);
        tally[Buffer.compare(made, target) === 0 ? "target" : "other"] += 1;
      } catch (error) {
        if (!isFleetError(error, "revocation-invalid")) throw error;
        tally.refused += 1;
      }
    }
    expect(memory() - before).toBeLessThan(64);
    expect(tally.refused).toBeGreaterThan(patchRuns / 10);
    expect(tally.other).toBeGreaterThan(0);
  });

  it("a patch that would unpack to gigabytes is refused at the length the head has signed", async () => {
    const bomb = await patchMaker.make(new Uint8Array(1), new Uint8Array(64 * 2 ** 20));
    expect(bomb.length).toBeLessThan(10_000);
    const before = memory();
    const apply = zstdListPatches.apply({ base: new Uint8Array(1), patch: bomb, length: 10_000 });
    await expect(apply).rejects.toMatchObject({ code: "revocation-invalid" });
    expect(memory() - before).toBeLessThan(16);
  });
});
