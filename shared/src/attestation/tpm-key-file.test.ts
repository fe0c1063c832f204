import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFleetError } from "../errors.ts";
import { encodeTpmKey, parseTpmKey } from "./tpm-key-file.ts";

const octets = fc.uint8Array({ maxLength: 400 });

describe("a TPM key at rest", () => {
  it("is read back as it was written", () => {
    fc.assert(
      fc.property(octets, octets, (publicArea, privateArea) => {
        expect(parseTpmKey(encodeTpmKey({ publicArea, privateArea }))).toEqual({ publicArea, privateArea });
      }),
    );
  });

  it("has the shape that other TPM software knows, as OpenSSL reads it", () => {
    const der = encodeTpmKey({ publicArea: Uint8Array.of(1), privateArea: Uint8Array.of(2) });
    const shown = execFileSync("openssl", ["asn1parse", "-inform", "DER"], { input: der }).toString();
    expect(shown).toMatch(/OBJECT +:2\.23\.133\.10\.1\.3/);
    expect(shown).toMatch(/cont \[ 0 \][\s\S]*BOOLEAN +:(TRUE|255)[\s\S]*INTEGER +:40000001/);
    expect(shown).toMatch(/\[HEX DUMP\]:000101[\s\S]*\[HEX DUMP\]:000102/);
  });

  it("gives a typed error for any other octets", () => {
    const good = encodeTpmKey({ publicArea: Uint8Array.of(1, 2, 3), privateArea: Uint8Array.of(4, 5) });
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), octets, (at, flip, noise) => {
        const changed = Uint8Array.from(good);
        changed[at] = (changed[at] ?? 0) ^ flip;
        for (const der of [changed, noise, good.subarray(0, at)]) {
          try {
            expect(parseTpmKey(der).publicArea.length).toBeLessThanOrEqual(2046);
          } catch (error) {
            expect(isFleetError(error, "attestation-invalid")).toBe(true);
          }
        }
      }),
    );
  });
});
