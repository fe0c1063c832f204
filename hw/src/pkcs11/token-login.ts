import { createHmac, randomBytes } from "node:crypto";
import { FleetError, type Secret } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import type { Cryptoki, Handle } from "./cryptoki.ts";
import { pinStateOf, type TokenFacts } from "./find-token.ts";
import type { PinMemory, PinRecord } from "./pin-memory.ts";
import { resultName, tokenError } from "./token-error.ts";

/** How a token is logged in to. */
export interface Login {
  readonly pin: Secret;
  readonly memory: PinMemory;
  /** A person asked for this very try: what is remembered and the last try do not stop it. */
  readonly isAttended: boolean;
}

/** A PIN as this process compares it: a keyed hash whose key never leaves the process. */
export type PinMark = string;

/** The mark of a PIN. */
export const pinMark = (pin: Secret): PinMark => createHmac("sha256", markKey).update(pin.reveal()).digest("hex");

/** Whether a session's token is logged in as the user; the state belongs to the process, not the session. */
export function isLoggedIn(cryptoki: Cryptoki, session: Handle): boolean {
  const { state } = cryptoki.C_GetSessionInfo(session);
  return state === ck.CKS_RW_USER_FUNCTIONS || state === ck.CKS_RO_USER_FUNCTIONS;
}

/**
 * Logs in as the user. Tokens lock after a few wrong PINs, so unless a person asks for it `pin-refused` is thrown without a
 * call for a PIN that was refused before, for the last try a token has, and after two refused PINs in a row on a token
 * that still counts them: many do not say which try is their last.
 */
export function logIn(cryptoki: Cryptoki, at: { session: Handle; token: TokenFacts }, login: Login): void {
  const { session, token } = at;
  const { pin, memory } = login;
  const name = `${token.serial}/${token.label}`;
  const before = memory.find(name) ?? { refused: [], inARow: 0 };
  const mark = memory.markOf(pin);
  requireWorthATry(cryptoki, { token, before, mark }, login);
  const keep = (record: PinRecord): void => memory.put(name, record);
  keepIfPossible(cryptoki, token, () => keep({ ...before, presented: mark }));
  try {
    cryptoki.C_Login(session, ck.CKU_USER, pin.reveal());
  } catch (cause) {
    const result = resultName(cause);
    const isWrong = result !== undefined && wrongPin.has(result);
    const { refused, inARow } = before;
    keep(isWrong ? { refused: [...refused, mark].slice(-maxRefused), inARow: inARow + 1 } : { refused, inARow });
    if (result === "CKR_USER_ALREADY_LOGGED_IN") return;
    throw tokenError(`logging in to token "${token.label}"`, cause);
  }
  keepIfPossible(cryptoki, token, () => keep({ refused: before.refused.filter((one) => one !== mark), inARow: 0 }));
}

/** What is thrown instead of presenting a PIN that is known to be wrong. */
export function alreadyRefused(label: string): FleetError {
  return notTried(`this PIN is known to be wrong for token "${label}"; it was not tried again`, "correct the PIN");
}

function requireWorthATry(
  cryptoki: Cryptoki,
  { token, before, mark }: { readonly token: TokenFacts; readonly before: PinRecord; readonly mark: string },
  { isAttended }: Login,
): void {
  const state = pinStateOf(cryptoki, token.slot);
  if (state === "locked") {
    throw new FleetError("pin-refused", `token "${token.label}" has locked its PIN`, {
      hint: "unlock it with the security officer's PIN",
    });
  }
  if (isAttended) return;
  // A process that died before the answer leaves its PIN as presented: it was wrong if the token has counted one since.
  const wasLost = before.presented === mark && state !== "fine";
  if (before.refused.includes(mark) || wasLost) throw alreadyRefused(token.label);
  if (state === "last-try") {
    throw notTried(`token "${token.label}" has one try left, which is kept for a person`, "make sure of the PIN");
  }
  if (state !== "fine" && before.inARow >= maxInARow) {
    throw notTried(
      `token "${token.label}" refused ${before.inARow} PINs in a row; the next is left to a person`,
      "make sure of the PIN",
    );
  }
}

/** A disk that is full must not keep a device from its key while the token has seen no wrong PIN. */
function keepIfPossible(cryptoki: Cryptoki, token: TokenFacts, keep: () => void): void {
  try {
    keep();
  } catch (error) {
    if (pinStateOf(cryptoki, token.slot) !== "fine") throw error;
  }
}

const notTried = (message: string, first: string): FleetError =>
  new FleetError("pin-refused", message, {
    hint: `${first}; a person may have it tried all the same: fleetcert-agent keys test --try-pin, or remove refused-pins.json`,
  });

const markKey = randomBytes(32);
const maxRefused = 8;
/** Three is the smallest number of tries in use. */
const maxInARow = 2;

/** The results that say the PIN itself is wrong; a locked or expired one may be right. */
const wrongPin: ReadonlySet<string> = new Set(["CKR_PIN_INCORRECT", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE"]);
