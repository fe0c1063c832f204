import { type CrlTemplate, encodeName, type ReasonCode, Serial } from "@fleetcert/shared";

/** A template of a list with this many entries: serials of our own layout, mixed reasons, a date each. */
export function crlTemplate(entryCount: number): CrlTemplate {
  return {
    issuer: encodeName({ organization: "bench", commonName: "bench issuing 1" }),
    authorityKeyId: new Uint8Array(20).fill(7),
    thisUpdate: start,
    nextUpdate: start + 30 * 86_400_000,
    crlNumber: 4711,
    entries: Array.from({ length: entryCount }, (_, index) => ({
      serial: benchSerial(index),
      revokedAt: start - index * 977_000,
      reason: reasons[index % reasons.length] as ReasonCode,
    })),
    issuingDistributionPoint: { uris: ["http://crl.bench.example/1/0.crl"], onlyContainsUserCerts: true },
    signatureAlgorithmOf: "P-256",
  };
}

/** The serial of an entry; its random part is a fixed scramble of the index. */
export function benchSerial(index: number): Serial {
  const random13 = Uint8Array.from(
    { length: 13 },
    (_, octet) => (Math.imul(index + 1, 2_654_435_761 + octet * 40_503) >>> 13) & 0xff,
  );
  return Serial.make({ shard: 0, index, random13 });
}

const start = Date.UTC(2026, 10, 20);

/** The reasons of its entries, in turn. */
export const reasons: readonly ReasonCode[] = ["superseded", "keyCompromise", "cessationOfOperation", "unspecified"];
