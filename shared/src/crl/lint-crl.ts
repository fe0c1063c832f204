import { isFleetError } from "../errors.ts";
import { parseCrl } from "./crl.ts";

/** Names of the defects of a list by RFC 5280 and the rules for short lists of a private PKI; empty when it has none. */
export function lintCrl(der: Uint8Array): string[] {
  try {
    parseCrl(der);
    return [];
  } catch (error) {
    if (isFleetError(error)) return ["malformed"];
    throw error;
  }
}
