import { expect, it } from "vitest";
import { keyProtection } from "./key-protection.ts";

it("calls a TPM's keys attested once the controller has believed the TPM, and no other keys ever", () => {
  const refs = ["software:ab", "pkcs11:token=press;id=%01", "tpm2:file:ab"];
  expect(refs.map((ref) => keyProtection(ref, false))).toEqual(["software", "token", "token"]);
  expect(refs.map((ref) => keyProtection(ref, true))).toEqual(["software", "token", "attested"]);
});
