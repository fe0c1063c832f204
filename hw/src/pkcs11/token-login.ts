import { createHmac, randomBytes } from "node:crypto";
import { FleetError, isFleetError, type Secret } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import type { Cryptoki, Handle } from "./cryptoki.ts";
import { resultName, tokenError } from "./token-error.ts";

/** A PIN as this process remembers it: a keyed hash whose key never leaves the process. */
export type PinMark = string;

/** The mark of a PIN. */
export const pinMark = (pin: Secret): PinMark => createHmac("sha256", markKey).update(pin.reveal()).digest("hex");

/** Whether a session's token is logged in as the user; the state belongs to the process, not the session. */
export function isLoggedIn(cryptoki: Cryptoki, session: Handle): boolean {
  const { state } = cryptoki.C_GetSessionInfo(session);
  return state === ck.CKS_RW_USER_FUNCTIONS || state === ck.CKS_RO_USER_FUNCTIONS;
}

/**
 * Logs in as the user. Tokens lock after a few wrong PINs, so one that was refused is never presented again in this
 * process: the second attempt throws `pin-refused` without a call. Another PIN may be tried.
 */
export function logIn(
  cryptoki: Cryptoki,
  { session, pin, token }: { session: Handle; pin: Secret; token: { label: string; serial: string } },
): void {
  const memory = `${token.serial}/${token.label}/${pinMark(pin)}`;
  if (refused.has(memory)) throw alreadyRefused(token.label);
  try {
    cryptoki.C_Login(session, ck.CKU_USER, pin.reveal());
  } catch (cause) {
    if (resultName(cause) === "CKR_USER_ALREADY_LOGGED_IN") return;
    const error = tokenError(`logging in to token "${token.label}"`, cause);
    if (isFleetError(error, "pin-refused")) refused.add(memory);
    throw error;
  }
}

/** What is thrown instead of presenting a PIN that is known to be wrong. */
export function alreadyRefused(label: string): FleetError {
  return new FleetError("pin-refused", `this PIN is known to be wrong for token "${label}"; it was not tried again`, {
    hint: "correct the PIN; if that is certain to be right now, restart the process",
  });
}

const markKey = randomBytes(32);
const refused = new Set<string>();
