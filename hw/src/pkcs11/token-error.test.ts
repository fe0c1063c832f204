import { FleetError } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { asking, isSessionLost, tokenError } from "./token-error.ts";

const reported = (name: string): Error => new Error(`${name}:160\n    at PKCS11.C_Login (native)`);

describe("what a token reports", () => {
  it.each([
    ["CKR_PIN_INCORRECT", "pin-refused", false],
    ["CKR_PIN_LOCKED", "pin-refused", false],
    ["CKR_TOKEN_NOT_PRESENT", "key-store-unavailable", true],
    ["CKR_DEVICE_ERROR", "token-error", true],
    ["CKR_MECHANISM_INVALID", "token-error", false],
    ["CKR_VENDOR_DEFINED", "token-error", false],
  ] as const)("%s becomes %s", (name, code, retry) => {
    expect(tokenError("signing", reported(name))).toMatchObject({ code, retry, message: `signing failed: ${name}` });
  });

  it("comes with advice where there is some", () => {
    expect(tokenError("logging in", reported("CKR_PIN_LOCKED"))).toMatchObject({
      hint: expect.stringContaining("security officer"),
    });
  });

  it("leaves an error that is not the token's as it is", () => {
    const bug = new TypeError("x is not a function");
    expect(() =>
      asking("signing", () => {
        throw bug;
      }),
    ).toThrow(bug);
    const typed = new FleetError("key-not-found", "there is no key");
    expect(tokenError("signing", typed)).toBe(typed);
  });

  it("is a lost session only where a new session may help", () => {
    for (const name of ["CKR_SESSION_HANDLE_INVALID", "CKR_USER_NOT_LOGGED_IN", "CKR_DEVICE_REMOVED"]) {
      expect(isSessionLost(reported(name))).toBe(true);
      expect(isSessionLost(tokenError("signing", reported(name)))).toBe(true);
    }
    for (const name of ["CKR_PIN_INCORRECT", "CKR_DEVICE_MEMORY"]) expect(isSessionLost(reported(name))).toBe(false);
    expect(isSessionLost("CKR_SESSION_HANDLE_INVALID")).toBe(false);
  });
});
