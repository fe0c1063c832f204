import { createHash, createPublicKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { honestSigning, softwareStorageKey, softwareTpmKey } from "../../../test/support/keys/software-tpm.ts";
import { isFleetError } from "../errors.ts";
import { encodePublicArea, nameOfPublicArea, parsePublicArea, type TpmPublicArea } from "./public-area.ts";
import { spkiOfPublicArea } from "./public-area-spki.ts";

describe("a public area", () => {
  it.each(["P-256", "P-384", "RSA-2048"] as const)("gives the SPKI that node:crypto gives, for %s", (kind) => {
    const { area, privateKey } = softwareTpmKey({ attributes: honestSigning, kind });
    const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
    expect(Buffer.from(spkiOfPublicArea(area))).toEqual(spki);
  });

  it("fills coordinates up that a TPM gave without their leading zeros", () => {
    const { area } = softwareTpmKey({ attributes: honestSigning });
    const short: TpmPublicArea = {
      ...area,
      key: { type: "ecc", curve: "P-256", x: Uint8Array.of(1), y: Uint8Array.of(2) },
    };
    const point = spkiOfPublicArea(short).subarray(-65);
    expect([point[0], point[32], point[64]]).toEqual([4, 1, 2]);
  });

  it("has the hash of its octets behind the hash's number as its name", () => {
    const { area, publicArea } = softwareStorageKey();
    const digest = createHash("sha256").update(publicArea).digest();
    expect(Buffer.from(nameOfPublicArea(area))).toEqual(Buffer.concat([Buffer.of(0, 0x0b), digest]));
  });

  it("is read back as it was written", () => {
    const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const key = fc.oneof(
      fc.record({
        type: fc.constant("ecc" as const),
        curve: fc.constant("P-256" as const),
        x: octets(32),
        y: octets(32),
      }),
      fc.record({
        type: fc.constant("rsa" as const),
        bits: fc.constant(2048),
        exponent: fc.nat(),
        modulus: octets(256),
      }),
    );
    const scheme = fc.option(
      fc.record({ name: fc.constantFrom("ecdsa", "rsassa", "rsapss"), hash: fc.constantFrom("sha256", "sha384") }),
      { nil: undefined },
    );
    const symmetric = fc.option(
      fc.record({ algorithm: fc.constant("aes"), bits: fc.constantFrom(128, 256), mode: fc.constant("cfb") }),
      { nil: undefined },
    );
    const area = fc.record({
      nameHash: fc.constantFrom("sha256", "sha384", "sha512"),
      attributes: fc.integer({ min: 0, max: 0xffffffff }),
      authPolicy: fc.uint8Array({ maxLength: 64 }),
      symmetric,
      scheme,
      key,
    }) as fc.Arbitrary<TpmPublicArea>;
    fc.assert(
      fc.property(area, (wanted) => {
        expect(parsePublicArea(encodePublicArea(wanted))).toEqual(wanted);
      }),
    );
  });

  it("gives a typed error or a key for any octets", () => {
    const heads = fc.constantFrom("0001000b", "0023000b", "0023000c", "");
    fc.assert(
      fc.property(heads, fc.uint8Array({ maxLength: 200 }), (head, noise) => {
        const octets = Buffer.concat([Buffer.from(head, "hex"), noise]);
        try {
          expect(Buffer.from(encodePublicArea(parsePublicArea(octets)))).toEqual(octets);
        } catch (error) {
          expect(isFleetError(error, "attestation-invalid")).toBe(true);
        }
      }),
    );
  });

  it("is refused past its bound", () => {
    expect(() => parsePublicArea(new Uint8Array(5000))).toThrow("limit 1024");
  });
});
