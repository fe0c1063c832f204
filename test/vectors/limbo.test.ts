import { readFileSync } from "node:fs";
import { type ExpectedName, isFleetError, pathFailureOf, pemDecode, validatePath } from "@fleetcert/shared";
import { expect, it } from "vitest";
import { VectorTally, vectorSuite } from "./vector-suite.ts";

interface LimboCase {
  readonly id: string;
  readonly features: readonly string[];
  readonly validation_kind: "SERVER" | "CLIENT";
  readonly trusted_certs: readonly string[];
  readonly untrusted_intermediates: readonly string[];
  readonly peer_certificate: string;
  readonly validation_time: string | null;
  readonly expected_result: "SUCCESS" | "FAILURE";
  readonly expected_peer_name: { readonly kind: "DNS" | "IP"; readonly value: string } | null;
  readonly max_chain_depth: number | null;
  readonly crls: readonly string[];
}

vectorSuite({ name: "x509-limbo", source: "limbo-half.json", count: 99 }, (path) => {
  const { testcases }: { testcases: LimboCase[] } = JSON.parse(readFileSync(path, "utf8"));
  const tally = new VectorTally();
  let slowestMs = 0;
  for (const test of testcases) {
    const start = performance.now();
    const why = judge(test);
    slowestMs = Math.max(slowestMs, performance.now() - start);
    tally.judge(test.id, { isValid: test.expected_result === "SUCCESS", why });
  }
  tally.print("x509-limbo");

  it("reads every case", () => {
    expect(tally.read).toBe(testcases.length);
    expect(tally.read).toBeGreaterThan(0);
  });

  it("accepts no case that must fail but rules of the public web", () => {
    expect(tally.falseAccepts).toEqual(outOfScope);
  });

  it("rejects no case that must succeed but the known ones", () => {
    expect(tally.falseRejects.map((line) => line.split(" ")[0])).toEqual(knownRefusals);
  });

  it("takes less than a second for every case", () => {
    expect(slowestMs).toBeLessThan(1000);
  });
});

function judge(test: LimboCase): string | undefined {
  const certificates = (pems: readonly string[]): Uint8Array[] => pems.flatMap((pem) => pemDecode(pem, "CERTIFICATE"));
  const name = expectedName(test);
  try {
    validatePath({
      leaf: certificates([test.peer_certificate])[0] as Uint8Array,
      intermediates: certificates(test.untrusted_intermediates),
      roots: certificates(test.trusted_certs),
      at: test.validation_time === null ? limboTime : Date.parse(test.validation_time),
      purpose: test.validation_kind === "SERVER" ? "serverAuth" : "clientAuth",
      ...(name === undefined ? {} : { name }),
      ...(test.max_chain_depth === null ? {} : { maxIntermediates: test.max_chain_depth }),
      crls: {
        lists: test.crls.flatMap((pem) => pemDecode(pem, "X509 CRL")),
        requireFor: test.crls.length > 0 ? "leaf" : "none",
      },
    });
    return undefined;
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return `${pathFailureOf(error) ?? error.code}: ${error.message}`;
  }
}

function expectedName({ expected_peer_name: peer }: LimboCase): ExpectedName | undefined {
  if (peer === null) return undefined;
  return peer.kind === "DNS" ? { dns: peer.value } : { ip: peer.value };
}

/** For cases that do not say when: all of them were valid then. */
const limboTime = Date.UTC(2025, 5, 1);

/** Rules for public web servers only: the common name repeats a SAN, EKU is not critical, the public suffix list. */
const outOfScope = [
  "webpki::cn::ipv4-hex-mismatch",
  "webpki::cn::ipv4-leading-zeros-mismatch",
  "webpki::cn::ipv6-non-rfc5952-mismatch",
  "webpki::cn::punycode-not-in-san",
  "webpki::cn::not-in-san",
  "webpki::eku::ee-critical-eku",
  "webpki::san::public-suffix-multi-label-wildcard-san",
  "webpki::san::public-suffix-private-namespace-wildcard-san",
];

/** Its trusted root is cross-signed and has no authority key identifier: rfc5280::aki::cross-signed-root-missing-aki forbids that. */
const knownRefusals = ["cve::cve-2024-0567"];
