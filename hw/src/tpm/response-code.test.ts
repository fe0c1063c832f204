import { describe, expect, it } from "vitest";
import { decodeResponseCode, responseCodeOf, tpmError } from "./response-code.ts";

describe("a TPM's response code", () => {
  it.each([
    [0x101, "TPM_RC_FAILURE", undefined],
    [0x902, "TPM_RC_OBJECT_MEMORY", undefined],
    [0x910, "TPM_RC_REFERENCE_H0", undefined],
    [0x921, "TPM_RC_LOCKOUT", undefined],
    [0x922, "TPM_RC_RETRY", undefined],
    [0x98e, "TPM_RC_AUTH_FAIL", "session 1"],
    [0x18b, "TPM_RC_HANDLE", "handle 1"],
    [0x2c4, "TPM_RC_VALUE", "parameter 2"],
    [0x1df, "TPM_RC_INTEGRITY", "parameter 1"],
    [0xf7f, "0xf7f", undefined],
    [0x044, "0x044", undefined],
  ])("0x%s reads %s", (value, name, about) => {
    expect(decodeResponseCode(value)).toMatchObject({ name, ...(name.startsWith("TPM") ? { about } : {}) });
  });

  it("becomes an error with its name, what is meant, and what to do", () => {
    expect(tpmError("TPM2_Load", 0x1df)).toMatchObject({
      code: "token-error",
      message: "TPM2_Load failed: TPM_RC_INTEGRITY (parameter 1)",
      hint: expect.stringContaining("another TPM"),
      retry: false,
    });
    expect(tpmError("TPM2_Sign", 0x902)).toMatchObject({ code: "token-error", retry: true });
  });

  it("says pin-refused for wrong authorisations and for the lockout that they lead to", () => {
    for (const value of [0x98e, 0x9a2, 0x921]) expect(tpmError("TPM2_Create", value).code).toBe("pin-refused");
    expect(tpmError("TPM2_Create", 0x921).hint).toContain("dictionary-attack lockout");
  });

  it("is found again in its error, and in no other", () => {
    expect(responseCodeOf(tpmError("TPM2_Sign", 0x922))?.name).toBe("TPM_RC_RETRY");
    expect(responseCodeOf(new Error("TPM_RC_RETRY"))).toBeUndefined();
  });
});
