import { isFleetError } from "../errors.ts";
import { type CrlLint, crlLints } from "./crl-lints.ts";
import { readLooseCrl } from "./loose-crl.ts";

/** Whose rules a list is held against: RFC 5280 for every list we make, `web` adds those of public web CAs. */
export type CrlRules = CrlLint["rules"];

/**
 * Names of the defects of a list, in a fixed order; empty when it has none. Unlike `parseCrl` it reads on behind a
 * defect, so that all are named; of a list with more than `maxEntries` only so many are looked at. Bytes that have not even the outline of a list give `outline-malformed`.
 */
export function lintCrl(der: Uint8Array, rules: CrlRules = "rfc5280", maxEntries?: number): string[] {
  try {
    const crl = readLooseCrl(der, maxEntries);
    return crlLints.filter((lint) => isAsked(lint, rules) && isDefect(lint, crl)).map(({ name }) => name);
  } catch (error) {
    if (isFleetError(error)) return ["outline-malformed"];
    throw error;
  }
}

const isAsked = (lint: CrlLint, rules: CrlRules): boolean => lint.rules === "rfc5280" || rules === "web";

/** What a lint cannot even read has the defect the lint is about. */
function isDefect(lint: CrlLint, crl: ReturnType<typeof readLooseCrl>): boolean {
  try {
    return lint.isDefect(crl);
  } catch (error) {
    if (isFleetError(error)) return true;
    throw error;
  }
}
