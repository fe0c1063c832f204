import { FleetError, type Secret } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import { type Cryptoki, type Handle, loadCryptoki } from "./cryptoki.ts";
import { listTokens, requireToken, type TokenFacts } from "./find-token.ts";
import { asking } from "./token-error.ts";

/**
 * Initialises a blank token and sets its user PIN, in this process: no PIN appears in any argument list.
 *
 * Takes the first uninitialised token the module shows; never touches one that is in use. Returns the new token's serial.
 * Throws `already-exists` when a token has this label, `key-store-unavailable` when none is blank, `token-error`.
 */
export function initialiseToken({
  modulePath,
  label,
  soPin,
  userPin,
}: {
  readonly modulePath: string;
  /** 1 to 32 bytes. */
  readonly label: string;
  readonly soPin: Secret;
  readonly userPin: Secret;
}): { serial: string } {
  const padded = padLabel(label);
  const cryptoki = loadCryptoki(modulePath);
  const { slot } = requireBlank(listTokens(cryptoki), label);
  asking(`initialising token "${label}"`, () => cryptoki.C_InitToken(slot, soPin.reveal(), padded));
  const { slot: fresh, serial } = requireToken(cryptoki, { token: label });
  setUserPin(cryptoki, { slot: fresh, soPin, userPin });
  return { serial };
}

function requireBlank(tokens: readonly TokenFacts[], label: string): TokenFacts {
  if (tokens.some((token) => token.isInitialised && token.label === label)) {
    throw new FleetError("already-exists", `there is a token "${label}" already`, {
      hint: "use it, or choose another label; a token in use is never initialised again",
    });
  }
  const blank = tokens.find(({ isInitialised }) => !isInitialised);
  if (blank !== undefined) return blank;
  throw new FleetError("key-store-unavailable", "no blank token is present", {
    hint: "connect one, or erase one with its maker's tool",
  });
}

function setUserPin(
  cryptoki: Cryptoki,
  { slot, soPin, userPin }: { slot: Handle; soPin: Secret; userPin: Secret },
): void {
  const flags = ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION;
  const session = asking("C_OpenSession", () => cryptoki.C_OpenSession(slot, flags));
  try {
    asking("logging in as security officer", () => cryptoki.C_Login(session, ck.CKU_SO, soPin.reveal()));
    asking("setting the user PIN", () => cryptoki.C_InitPIN(session, userPin.reveal()));
    asking("C_Logout", () => cryptoki.C_Logout(session));
  } finally {
    cryptoki.C_CloseSession(session);
  }
}

/** PKCS#11 3.0 §5.5.7: 32 bytes, padded with blanks; pkcs11js would pad with NULs. */
function padLabel(label: string): string {
  const bytes = Buffer.byteLength(label, "utf8");
  if (bytes < 1 || bytes > 32 || label.trim() !== label || label.includes("\0")) {
    throw new FleetError("request-invalid", "a token's label has 1 to 32 bytes and no blanks at its ends");
  }
  return label + " ".repeat(32 - bytes);
}
