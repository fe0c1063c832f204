import { FleetError } from "@fleetcert/shared";
import { ck } from "./constants.ts";
import type { Cryptoki, Handle } from "./cryptoki.ts";
import { asking, resultName } from "./token-error.ts";

/** Which token is meant; every attribute that is given must match, as in an RFC 7512 URI. */
export interface TokenSelector {
  readonly token?: string;
  readonly serial?: string;
  readonly model?: string;
  readonly manufacturer?: string;
  readonly slotId?: number;
}

/** A token as its module describes it, without the padding. */
export interface TokenFacts {
  readonly slot: Handle;
  readonly slotId: number;
  readonly label: string;
  readonly serial: string;
  readonly model: string;
  readonly manufacturer: string;
  readonly isInitialised: boolean;
}

/** The one initialised token that matches; throws `key-store-unavailable` when there is none or more than one. */
export function requireToken(cryptoki: Cryptoki, selector: TokenSelector): TokenFacts {
  const present = listTokens(cryptoki).filter(({ isInitialised }) => isInitialised);
  const matching = present.filter((token) => matches(token, selector));
  const [found] = matching;
  if (found !== undefined && matching.length === 1) return found;
  const names = present.map(({ label, serial }) => `"${label}" (serial ${serial})`).join(", ");
  throw new FleetError(
    "key-store-unavailable",
    found === undefined
      ? `there is no token ${describe(selector)}`
      : `${matching.length} tokens are called ${describe(selector)}`,
    {
      hint: present.length === 0 ? "no initialised token is present" : `present are ${names}`,
      retry: found === undefined,
    },
  );
}

/** Every token in a slot, initialised or not. One the module cannot describe, such as a foreign card, is left out. */
export function listTokens(cryptoki: Cryptoki): TokenFacts[] {
  const slots = asking("C_GetSlotList", () => cryptoki.C_GetSlotList(true));
  return slots.flatMap((slot) => {
    const info = findTokenInfo(cryptoki, slot);
    if (info === undefined) return [];
    return {
      slot,
      slotId: slot.readUIntLE(0, 6),
      label: unpad(info.label),
      serial: unpad(info.serialNumber),
      model: unpad(info.model),
      manufacturer: unpad(info.manufacturerID),
      isInitialised: (info.flags & ck.CKF_TOKEN_INITIALIZED) !== 0,
    };
  });
}

function findTokenInfo(cryptoki: Cryptoki, slot: Handle): ReturnType<Cryptoki["C_GetTokenInfo"]> | undefined {
  try {
    return cryptoki.C_GetTokenInfo(slot);
  } catch (error) {
    if (resultName(error) === undefined) throw error;
    return undefined;
  }
}

function matches(token: TokenFacts, selector: TokenSelector): boolean {
  const pairs = [
    [selector.token, token.label],
    [selector.serial, token.serial],
    [selector.model, token.model],
    [selector.manufacturer, token.manufacturer],
    [selector.slotId, token.slotId],
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
