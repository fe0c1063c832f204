import { FleetError } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import type { Cryptoki, Handle } from "./cryptoki.ts";
import { asking, resultName } from "./token-error.ts";
import { parsePkcs11Uri } from "./uri.ts";

/** Which token is meant; every attribute that is given must match, as in an RFC 7512 URI. */
export interface TokenSelector {
  readonly token?: string | undefined;
  readonly serial?: string | undefined;
  readonly model?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly slotId?: number | undefined;
  readonly slotDescription?: string | undefined;
  readonly slotManufacturer?: string | undefined;
}

/** The token that a label or an RFC 7512 URI means; throws `request-invalid` when the URI is malformed. */
export function tokenSelector(labelOrUri: string): TokenSelector {
  if (!labelOrUri.startsWith("pkcs11:")) return { token: labelOrUri };
  const { token, serial, model, manufacturer, slotId, slotDescription, slotManufacturer } = parsePkcs11Uri(labelOrUri);
  return { token, serial, model, manufacturer, slotId, slotDescription, slotManufacturer };
}

/** A token as its module describes it, without the padding. */
export interface TokenFacts {
  readonly slot: Handle;
  readonly slotId: number;
  readonly label: string;
  readonly serial: string;
  readonly model: string;
  readonly manufacturer: string;
  readonly slotDescription: string;
  readonly slotManufacturer: string;
  readonly isInitialised: boolean;
  readonly isWritable: boolean;
  readonly pin: PinState;
}

/**
 * What a token says of its user PIN: `wrong-before` after a wrong one since the last login, `last-try` when the next
 * wrong one locks it. Not every token says it.
 */
export type PinState = "fine" | "wrong-before" | "last-try" | "locked";

/**
 * The one initialised token that matches; throws `key-store-unavailable` when there is none or more than one. Its cause
 * is the failure of a slot that could not be looked at.
 */
export function requireToken(cryptoki: Cryptoki, selector: TokenSelector): TokenFacts {
  const { tokens, failure } = survey(cryptoki);
  const present = tokens.filter(({ isInitialised }) => isInitialised);
  const matching = present.filter((token) => matches(token, selector));
  const [found] = matching;
  if (found !== undefined && matching.length === 1) return found;
  const names = present.map(({ label, serial }) => `"${label}" (serial ${serial})`).join(", ");
  const isAbsent = found === undefined;
  throw new FleetError(
    "key-store-unavailable",
    isAbsent ? `there is no token ${describe(selector)}` : `${matching.length} tokens are called ${describe(selector)}`,
    {
      hint: present.length === 0 ? "no initialised token is present" : `present are ${names}`,
      retry: isAbsent,
      cause: failure,
    },
  );
}

/** Every token in a slot, initialised or not. One the module cannot describe, such as a foreign card, is left out. */
export function listTokens(cryptoki: Cryptoki): TokenFacts[] {
  return survey(cryptoki).tokens;
}

/** Whether a wrong PIN was presented to the token since its last login. */
export function hasWrongPins(cryptoki: Cryptoki, selector: TokenSelector): boolean {
  return listTokens(cryptoki).some((token) => matches(token, selector) && token.pin !== "fine");
}

/** What the token in a slot says of its user PIN now. */
export function pinStateOf(cryptoki: Cryptoki, slot: Handle): PinState {
  return pinStateIn(asking("C_GetTokenInfo", () => cryptoki.C_GetTokenInfo(slot)).flags);
}

function survey(cryptoki: Cryptoki): { tokens: TokenFacts[]; failure: unknown } {
  let failure: unknown;
  const tokens = asking("C_GetSlotList", () => cryptoki.C_GetSlotList(true)).flatMap((slot) => {
    try {
      return [factsOf(slot, cryptoki.C_GetTokenInfo(slot), cryptoki.C_GetSlotInfo(slot))];
    } catch (error) {
      if (resultName(error) === undefined) throw error;
      failure = error;
      return [];
    }
  });
  return { tokens, failure };
}

function factsOf(
  slot: Handle,
  info: ReturnType<Cryptoki["C_GetTokenInfo"]>,
  place: ReturnType<Cryptoki["C_GetSlotInfo"]>,
): TokenFacts {
  return {
    slot,
    slotId: slot.readUIntLE(0, 6),
    label: unpad(info.label),
    serial: unpad(info.serialNumber),
    model: unpad(info.model),
    manufacturer: unpad(info.manufacturerID),
    isInitialised: (info.flags & ck.CKF_TOKEN_INITIALIZED) !== 0,
    slotDescription: unpad(place.slotDescription),
    slotManufacturer: unpad(place.manufacturerID),
    isWritable: (info.flags & ck.CKF_WRITE_PROTECTED) === 0,
    pin: pinStateIn(info.flags),
  };
}

function pinStateIn(flags: number): PinState {
  if ((flags & ck.CKF_USER_PIN_LOCKED) !== 0) return "locked";
  if ((flags & ck.CKF_USER_PIN_FINAL_TRY) !== 0) return "last-try";
  return (flags & ck.CKF_USER_PIN_COUNT_LOW) !== 0 ? "wrong-before" : "fine";
}

function matches(token: TokenFacts, selector: TokenSelector): boolean {
  const pairs = [
    [selector.token, token.label],
    [selector.serial, token.serial],
    [selector.model, token.model],
    [selector.manufacturer, token.manufacturer],
    [selector.slotId, token.slotId],
    [selector.slotDescription, token.slotDescription],
    [selector.slotManufacturer, token.slotManufacturer],
  ];
  return pairs.every(([wanted, actual]) => wanted === undefined || wanted === actual);
}

function describe(selector: TokenSelector): string {
  return Object.entries(selector)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

// PKCS#11 pads with blanks; tokens initialised through libraries that do not may carry NULs.
const unpad = (text: string): string => text.replace(/[\0 ]+$/, "");
