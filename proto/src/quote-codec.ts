import { FleetError, type PcrSelection, parsePcrSelections } from "@fleetcert/shared";
import { check } from "./checks.ts";
import type { fleetcert } from "./generated/v1.js";
import type { QuoteRequest } from "./message.ts";

/** Reads a question for PCRs: each bank once, indices ascending and below 24. Throws `message-invalid`. */
export function decodeQuoteRequest(wire: fleetcert.v1.QuoteRequest.$Properties | null | undefined): QuoteRequest {
  return { nonce: check.bytes(wire?.nonce, "nonce", 64, 16), pcrs: decodePcrs(wire?.pcrs) };
}

function decodePcrs(wire: fleetcert.v1.PcrBank.$Properties[] | null | undefined): PcrSelection[] {
  const banks = check.list(wire, "PCR banks", 3).map(({ hash, indices }) => {
    const list = check.list(indices, "PCRs", 24).map((index) => check.uint(index, "PCR", 23));
    return `${check.text(hash, "PCR bank", 8)}:${list.join(",")}`;
  });
  try {
    return parsePcrSelections(banks.join("+"));
  } catch (cause) {
    throw new FleetError("message-invalid", "the PCRs of the question are not well formed", { cause });
  }
}
