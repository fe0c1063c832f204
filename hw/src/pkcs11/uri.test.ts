import { isFleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPkcs11Uri, type Pkcs11Uri, parsePkcs11Uri } from "./uri.ts";

describe("PKCS#11 URIs", () => {
  it("reads the examples of RFC 7512 section 3 that name objects Fleetcert can use", () => {
    expect(parsePkcs11Uri("pkcs11:")).toEqual({});
    expect(parsePkcs11Uri("pkcs11:object=my-pubkey;type=public")).toEqual({ object: "my-pubkey", type: "public" });
    expect(
      parsePkcs11Uri("pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0"),
    ).toEqual({ token: "The Software PKCS#11 Softtoken", manufacturer: "Snake Oil, Inc.", model: "1.0" });
    expect(
      parsePkcs11Uri("pkcs11:object=my-sign-key;type=private;slot-id=327?module-path=/mnt/libmypkcs11.so.1"),
    ).toEqual({ object: "my-sign-key", type: "private", slotId: 327, modulePath: "/mnt/libmypkcs11.so.1" });
    expect(parsePkcs11Uri("pkcs11:token=My%20token%25%20created%20by%20Joe;id=%01%02%03%Ba%dd%Ca%fe%04%05%06")).toEqual(
      {
        token: "My token% created by Joe",
        id: Uint8Array.of(1, 2, 3, 0xba, 0xdd, 0xca, 0xfe, 4, 5, 6),
      },
    );
    expect(parsePkcs11Uri("pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=%c3%89")).toEqual({
      token: "A name with a substring %;",
      object: "É",
    });
  });

  it("writes a reference the way the documentation shows it", () => {
    const uri = {
      token: "fleet 1",
      id: Uint8Array.of(0x0a, 0xff),
      object: "identity/3",
      type: "private",
      modulePath: "/usr/lib/p.so",
    } as const;
    expect(formatPkcs11Uri(uri)).toBe(
      "pkcs11:token=fleet%201;id=%0A%FF;object=identity%2F3;type=private?module-path=/usr/lib/p.so",
    );
  });

  it.each([
    "pkcs12:token=x",
    "pkcs11:token",
    "pkcs11:=x",
    "pkcs11:token=a;token=b",
    "pkcs11:token=a;",
    "pkcs11:vendor-thing=1",
    "pkcs11:token=a/b",
    "pkcs11:token=%4",
    "pkcs11:token=%zz",
    "pkcs11:token=%ff",
    "pkcs11:token=a b",
    "pkcs11:token=é",
    "pkcs11:type=secret",
    "pkcs11:slot-id=-1",
    "pkcs11:slot-id=01",
    "pkcs11:token=a?",
    "pkcs11:token=a?module-path=x?module-name=y&",
    "pkcs11:module-path=/x",
    "pkcs11:?token=a",
  ])("refuses %s", (text) => {
    expect(() => parsePkcs11Uri(text)).toThrowError(expect.objectContaining({ code: "request-invalid" }));
  });

  it("refuses a text of more than 4096 characters", () => {
    expect(() => parsePkcs11Uri(`pkcs11:token=${"a".repeat(5000)}`)).toThrowError(/5013 characters/);
  });

  it("refuses a PIN in a URI and does not repeat it", () => {
    for (const text of ["pkcs11:token=a?pin-value=13795", "pkcs11:pin-value=13795", "pkcs11:token=13795%"]) {
      const refusal = catchError(() => parsePkcs11Uri(text));
      expect(refusal).toMatchObject({ code: "request-invalid" });
      expect(String(refusal) + JSON.stringify(refusal)).not.toContain("13795");
    }
  });

  it("reads back whatever it writes", () => {
    fc.assert(
      fc.property(uris, (uri) => {
        expect(parsePkcs11Uri(formatPkcs11Uri(uri))).toEqual(uri);
      }),
    );
  });

  it("gives a typed error or a URI for any text", () => {
    const anyText = fc.oneof(
      fc.string({ unit: "binary" }),
      fc
        .array(fc.constantFrom("token", "id", "=", ";", "&", "?", "%", "%41", "pin-source", "slot-id", "1", "/"))
        .map((parts) => `pkcs11:${parts.join("")}`),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const outcome = catchError(() => parsePkcs11Uri(text));
        if (outcome !== undefined) expect(isFleetError(outcome, "request-invalid")).toBe(true);
        else expect(parsePkcs11Uri(formatPkcs11Uri(parsePkcs11Uri(text)))).toEqual(parsePkcs11Uri(text));
      }),
    );
  });
});

const text = fc.string({ unit: "grapheme", maxLength: 40 });
const uris: fc.Arbitrary<Pkcs11Uri> = fc.record(
  {
    token: text,
    manufacturer: text,
    serial: text,
    model: text,
    libraryVersion: text,
    slotId: fc.nat(),
    slotDescription: text,
    object: text,
    type: fc.constantFrom("public", "private", "cert", "secret-key", "data"),
    id: fc.uint8Array({ maxLength: 32 }).map((bytes) => Uint8Array.from(bytes)),
    modulePath: text,
    moduleName: text,
    pinSource: text,
  },
  { requiredKeys: [] },
);

function catchError(act: () => unknown): unknown {
  try {
    act();
    return undefined;
  } catch (error) {
    return error;
  }
}
