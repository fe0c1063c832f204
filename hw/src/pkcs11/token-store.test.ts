import { describe, expect, it } from "vitest";
import { tokenStore } from "./token-store.ts";

describe("a token named by a URI", () => {
  it("brings its module and PIN source along", async () => {
    const uri = "pkcs11:token=ca%20keys;serial=01;slot-description=Reader%201?module-path=/lib/x.so&pin-source=env:PIN";
    const store = tokenStore(uri, { modulePath: "/lib/other.so", env: { PIN: "1234" } });
    expect(store).toMatchObject({ kind: "pkcs11", modulePath: "/lib/x.so" });
    expect(store.tokenLabel).toBe("pkcs11:token=ca%20keys;serial=01;slot-description=Reader%201");
    expect((await store.pin()).reveal()).toBe("1234");
  });

  it("takes what it leaves out from beside it, and may be a plain label", () => {
    const pin = () => {
      throw new Error("not asked");
    };
    expect(tokenStore("plain; label", { modulePath: "/lib/x.so", pin })).toEqual({
      kind: "pkcs11",
      modulePath: "/lib/x.so",
      tokenLabel: "pkcs11:token=plain%3B%20label",
      pin,
    });
  });

  it.each([
    ["pkcs11:token=x?pin-source=env:PIN", "module"],
    ["pkcs11:token=x?module-path=/lib/x.so", "PIN source"],
  ])("%s lacks something and says what: %s", (uri, what) => {
    expect(() => tokenStore(uri)).toThrowError(
      expect.objectContaining({ code: "config-invalid", message: expect.stringContaining(what) }),
    );
  });

  it("holds no PIN", () => {
    expect(() => tokenStore("pkcs11:token=x?module-path=/lib/x.so&pin-source=1234")).toThrowError(
      expect.objectContaining({ code: "config-invalid", message: expect.not.stringContaining("1234") }),
    );
  });
});
