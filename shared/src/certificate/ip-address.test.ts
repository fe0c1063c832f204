import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIpAddress, parseIpAddress } from "./ip-address.ts";

describe("IP addresses", () => {
  it("read back as they were written", () => {
    const octets = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(octets, (address) => {
        expect(parseIpAddress(formatIpAddress(address) as string)).toEqual(address);
      }),
    );
  });

  it("are taken exactly when Node takes them too, zones aside", () => {
    const texts = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc
        .string({ unit: fc.constantFrom(..."0123456789abcdef:::..%"), maxLength: 24 })
        .filter((text) => !text.includes("%")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(parseIpAddress(text) !== undefined).toBe(isIP(text) !== 0);
      }),
      { numRuns: 500 },
    );
  });

  it("have the shortest text of RFC 5952", () => {
    const text = (input: string): string | undefined => formatIpAddress(parseIpAddress(input) as Uint8Array);
    expect(text("2001:DB8:0:0:1:0:0:1")).toBe("2001:db8::1:0:0:1");
    expect(text("0:0:0:0:0:0:0:0")).toBe("::");
    expect(text("1:0:2:3:4:5:6:7")).toBe("1:0:2:3:4:5:6:7");
    expect(text("::ffff:10.0.0.1")).toBe("::ffff:a00:1");
  });

  it("have no text when the octets are no address", () => {
    expect(formatIpAddress(new Uint8Array(5))).toBeUndefined();
  });
});
