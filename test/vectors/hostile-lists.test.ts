import {
  assembleSigned,
  encodeTbsCrl,
  isFleetError,
  parseCrl,
  type ReasonCode,
  Serial,
  sha256,
  subjectKeyIdOf,
  verifyCrl,
} from "@fleetcert/shared";
import { beforeAll, describe, expect, it } from "vitest";
import { zstdListPatches } from "../../agent/src/adapters/zstd-list-patches.ts";
import { zstdListPatches as patchMaker } from "../../controller/src/adapters/compression/zstd-list-patches.ts";
import { cpuMsOf } from "../support/cpu-time.ts";
import { Mutations } from "../support/mutations.ts";
import { aRoot, type TestCa, testNow } from "../support/pki/fleet-trust.ts";
import { aHeadShard, obtained } from "../support/revocation/obtained-shard.ts";
import { usedMegabytes } from "../support/used-memory.ts";

const isLong = process.env["FLEETCERT_LONG"] === "1";
const runs = isLong ? 1_000_000 : 100_000;
const timeout = isLong ? 3_600_000 : 300_000;
/** Patches that are unpacked side by side, as the thread pool does it. */
const together = 20;
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
    issuingDistributionPoint: { uris: [`http://127.0.0.1:1/crl/${ca.id}/1.crl`] },
    ...(deltaBase === undefined ? { freshestCrl: "http://127.0.0.1:1/crl/1-delta.crl" } : { deltaBase }),
    signatureAlgorithmOf: algorithm,
  });
  return assembleSigned(tbs, algorithm, await ca.signer.sign(tbs));
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
describe("hostile lists", () => {
  it(`${runs} changed lists and deltas: a typed error or what was signed, each within 100 ms, and no memory is kept`, {
    timeout,
  }, async () => {
    const originals = [await aList(7, range(0, 12)), await aList(7, range(3, 6), 5), await aList(7, [])];
    const mutations = new Mutations(0x5eed);
    const before = usedMegabytes();
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
    expect(usedMegabytes() - before).toBeLessThan(64);
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
  it(`${runs} changed patches: the device holds the list its head names, or fetches it whole; each within 100 ms, no memory kept`, {
    timeout,
  }, async () => {
    const [base, target] = [await aList(7, range(0, 12)), await aList(8, [...range(0, 12), 77])];
    const row = (der: Uint8Array, crlEpoch: number) =>
      aHeadShard({ crlEpoch, crlLength: der.length, crlSha256: sha256(der), crlPatchFrom: [crlEpoch - 1] });
    const before = { row: row(base, 7), list: parseCrl(base) };
    const shard = row(target, 8);
    const patch = await patchMaker.make(base, target);
    const mutations = new Mutations(0xbad);
    const usedBefore = usedMegabytes();
    const tally = { refused: 0, genuine: 0 };
    let slowestMs = 0;
    for (let run = 0; run < runs; run += together) {
      const start = process.cpuUsage();
      const offers = Array.from({ length: together }, () => mutations.of(patch));
      const held = await Promise.all(
        offers.map((hostile) => obtained({ before, shard, offered: { patch: hostile }, certificate: ca.certificate })),
      );
      const { user, system } = process.cpuUsage(start);
      slowestMs = Math.max(slowestMs, (user + system) / 1000);
      for (const { list } of held) {
        if (list !== undefined && Buffer.compare(list.der, target) !== 0) throw new Error("another list is held");
        tally[list === undefined ? "refused" : "genuine"] += 1;
      }
    }
    expect(slowestMs).toBeLessThan(100);
    expect(usedMegabytes() - usedBefore).toBeLessThan(64);
    expect(tally.refused).toBeGreaterThan(runs / 2);
    expect(tally.genuine).toBeGreaterThan(0);
  });

  it("a patch that would unpack to gigabytes is refused at the length the head has signed", async () => {
    const bomb = await patchMaker.make(new Uint8Array(1), new Uint8Array(64 * 2 ** 20));
    expect(bomb.length).toBeLessThan(10_000);
    const before = usedMegabytes();
    const apply = zstdListPatches.apply({ base: new Uint8Array(1), patch: bomb, length: 10_000 });
    await expect(apply).rejects.toMatchObject({ code: "revocation-invalid" });
    expect(usedMegabytes() - before).toBeLessThan(16);
  });
});
