import type { Body } from "@fleetcert/proto";
import type { ErrorCode } from "@fleetcert/shared";
import { expect } from "vitest";

/** A refusal as a device must get it: the code of the catalogue, what happened, and what to do now. */
export const refusal = (code: ErrorCode): Body => ({
  type: "refused",
  code,
  message: expect.stringMatching(/./),
  hint: expect.stringMatching(/./),
  retryAfter: expect.any(Number),
  trustBundles: expect.any(Array),
});

/** A FleetError as a person must get it: a code of the catalogue, and what to do now. */
export const errorWithHint = (code: ErrorCode): unknown =>
  expect.objectContaining({ name: "FleetError", code, hint: expect.stringMatching(/./) });
