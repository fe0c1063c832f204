import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  ecdsaSignatureFromRaw,
  ecdsaSignatureToRaw,
  isFleetError,
  keyAlgorithmOf,
  verifySignature,
} from "@fleetcert/shared";
import { expect, it } from "vitest";
import { VectorTally, vectorSuite } from "./vector-suite.ts";

interface Group {
  readonly type: string;
  readonly sha?: string;
  /** Absent for keys that cannot be written. */
  readonly publicKeyDer?: string;
  readonly tests: readonly Vector[];
}

interface Vector {
  readonly tcId: number;
  readonly msg: string;
  readonly sig: string;
  readonly result: "valid" | "invalid" | "acceptable";
}

vectorSuite({ name: "Wycheproof", source: "wycheproof", count: 4109 }, (folder) => {
  const tally = new VectorTally();
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
    const { testGroups }: { testGroups: Group[] } = JSON.parse(readFileSync(join(folder, file), "utf8"));
    for (const group of testGroups) runGroup(group, { file, tally });
  }
  tally.print("Wycheproof");

  it("reads every vector", () => {
    expect(tally.read).toBe(4109);
  });

  it("accepts no invalid signature", () => {
    expect(tally.falseAccepts).toEqual([]);
  });

  it("rejects no valid signature", () => {
    expect(tally.falseRejects).toEqual([]);
  });

  it("turns every valid ECDSA signature into raw form and back", () => {
    const file = readFileSync(join(folder, "ecdsa_secp256r1_sha256_test.json"), "utf8");
    const { testGroups }: { testGroups: Group[] } = JSON.parse(file);
    const valid = testGroups.flatMap(({ tests }) => tests.filter(({ result }) => result === "valid"));
    expect(valid.length).toBeGreaterThan(100);
    for (const { sig } of valid) {
      const raw = ecdsaSignatureToRaw(Buffer.from(sig, "hex"), "P-256");
      expect(Buffer.from(ecdsaSignatureFromRaw(raw, "P-256") ?? []).toString("hex")).toBe(sig);
    }
  });
});

function runGroup(group: Group, { file, tally }: { readonly file: string; readonly tally: VectorTally }): void {
  const refusal = refusalOf(group);
  for (const test of group.tests) {
    if (group.type === "EcdhPemTest") tally.skip("ECDH");
    else if (test.result === "acceptable") tally.skip("acceptable either way");
    else if (test.result === "valid" && refusal !== undefined) tally.skip(`valid but ${refusal}`);
    else tally.judge(`${file} ${test.tcId}`, { isValid: test.result === "valid", why: judge(group, test) });
  }
}

/** Why the group's key is not accepted at all: then its invalid signatures must be refused like any other. */
function refusalOf({ publicKeyDer = "" }: Group): string | undefined {
  try {
    keyAlgorithmOf(Buffer.from(publicKeyDer, "hex"));
    return undefined;
  } catch (error) {
    if (isFleetError(error, "key-weak")) return error.message;
    throw error;
  }
}

function judge(group: Group, test: Vector): string | undefined {
  const bytes = (hex = ""): Uint8Array => Buffer.from(hex, "hex");
  const raw = bytes(test.sig);
  const signature = group.type === "EcdsaP1363Verify" ? ecdsaSignatureFromRaw(raw, curveOf(group)) : raw;
  const algorithm = group.type === "RsassaPssVerify" ? pssSha256 : undefined;
  const claim = { spki: bytes(group.publicKeyDer), message: bytes(test.msg), ...(algorithm && { algorithm }) };
  return signature !== undefined && verifySignature({ ...claim, signature }) ? undefined : "signature";
}

const curveOf = ({ sha }: Group): "P-256" | "P-384" => (sha === "SHA-384" ? "P-384" : "P-256");

/** AlgorithmIdentifier of RSASSA-PSS with SHA-256, MGF1 with SHA-256 and 32 octets of salt (RFC 4055 §3.1). */
const pssSha256 = Buffer.from(
  "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120",
  "hex",
);
