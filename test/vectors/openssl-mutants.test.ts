import { X509Certificate } from "node:crypto";
import { encodeCsr, isFleetError, parseCertificate, parseCrl, parseCsr } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSigner } from "../support/keys/test-signer.ts";
import { testNow, testPki, testSerial } from "../support/pki/test-pki.ts";
import { opensslText } from "../support/programs/openssl.ts";

const isLong = process.env["FLEETCERT_LONG"] === "1";
const pki = await testPki();

describe("changed objects", () => {
  it("that are certificates to us are certificates to OpenSSL, with the same serial number and dates", async () => {
    const { certificate } = await pki.issueLeaf({
      subjectAlternativeNames: [{ uri: "urn:a:b" }, { dns: "a.example" }, { ip: "10.0.0.1" }],
      crlDistributionPoints: ["http://crl.example/1"],
    });
    let readByBoth = 0;
    fc.assert(
      fc.property(changes, (change) => {
        const der = changed(certificate.der, change);
        const ours = attempt(() => parseCertificate(der));
        if (ours === undefined) return;
        const theirs = new X509Certificate(der);
        expect(theirs.serialNumber.toLowerCase()).toBe(ours.serial.hex);
        expect([Date.parse(theirs.validFrom), Date.parse(theirs.validTo)]).toEqual([ours.notBefore, ours.notAfter]);
        readByBoth++;
      }),
      { numRuns: isLong ? 100_000 : 3000 },
    );
    expect(readByBoth).toBeGreaterThan(100);
  });

  it("that are lists to us are lists to OpenSSL, with as many entries", async () => {
    const entries = Array.from({ length: 3 }, () => ({
      serial: testSerial(),
      revokedAt: testNow,
      reason: "superseded" as const,
    }));
    const der = await pki.issueCrl({ entries, issuingDistributionPoint: { uris: ["http://crl.example/1"] } });
    const readByBoth = compare(der, parseCrl, (mutant, crl) => {
      expect(opensslText("crl", mutant).split("Serial Number: ").length - 1).toBe(crl.entryCount);
    });
    expect(readByBoth).toBeGreaterThan(5);
  });

  it("are no requests to us, because the proof covers every octet", async () => {
    const der = await encodeCsr({ signer: testSigner("P-256"), commonName: "device-1" });
    expect(opensslText("req", der, ["-verify"])).toContain("verify OK");
    compare(der, parseCsr, (mutant) => expect(mutant).toEqual(der));
  });
});

/** Changes the object many times, skips what we refuse, and runs the check on the rest; returns how many that were. */
function compare<T>(
  der: Uint8Array,
  parse: (der: Uint8Array) => T,
  check: (mutant: Uint8Array, parsed: T) => void,
): number {
  let readByBoth = 0;
  fc.assert(
    fc.property(changes, (change) => {
      const mutant = changed(der, change);
      const parsed = attempt(() => parse(mutant));
      if (parsed === undefined) return;
      check(mutant, parsed);
      readByBoth++;
    }),
    { numRuns: isLong ? 5000 : 200 },
  );
  return readByBoth;
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (isFleetError(error)) return undefined;
    throw error;
  }
}

/** Octets to put at positions given as fractions of the length; octets that mean something in DER come often. */
const changes = fc.array(
  fc.tuple(
    fc.noBias(fc.nat(9999)).map((tenThousandth) => tenThousandth / 10_000),
    fc.oneof(
      fc.nat(255),
      fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 0x0c, 0x13, 0x17, 0x18, 0x30, 0x31, 0x7f, 0x80, 0x81, 0xa0, 0xa3, 0xff),
    ),
  ),
  { minLength: 1, maxLength: 2 },
);

function changed(der: Uint8Array, change: readonly (readonly [number, number])[]): Uint8Array {
  const copy = Uint8Array.from(der);
  for (const [fraction, octet] of change) copy[Math.floor(fraction * copy.length)] = octet;
  return copy;
}
