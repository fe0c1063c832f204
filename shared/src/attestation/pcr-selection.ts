import { FleetError } from "../errors.ts";
import type { PcrSelection } from "./attest.ts";
import { type TpmHash, tpmHashBytes } from "./tpm-algorithm.ts";

/** Writes PCRs for people: `sha256:0,7+sha384:1`; banks without a PCR are left out. */
export function formatPcrSelections(pcrs: readonly PcrSelection[]): string {
  const banks = pcrs.filter(({ indices }) => indices.length > 0);
  return banks.map(({ hash, indices }) => `${hash}:${indices.join(",")}`).join("+") || "no PCR";
}

/** Reads what {@link formatPcrSelections} writes: each bank once, indices from 0 to 23, in any order. Throws `request-invalid`. */
export function parsePcrSelections(text: string): PcrSelection[] {
  const banks = text.split("+").map(parseBank);
  if (new Set(banks.map(({ hash }) => hash)).size === banks.length) return banks;
  throw invalid(text);
}

function parseBank(text: string): PcrSelection {
  const [, name = "", list = ""] = /^([a-z0-9]{1,8}):([0-9]{1,2}(?:,[0-9]{1,2}){0,23})$/.exec(text) ?? [];
  const hash = (Object.keys(tpmHashBytes) as TpmHash[]).find((known) => known === name);
  const indices = [...new Set(list.split(",").map(Number))].sort((a, b) => a - b);
  if (hash === undefined || indices.some((index) => index > 23)) throw invalid(text);
  return { hash, indices };
}

const invalid = (text: string): FleetError =>
  new FleetError("request-invalid", `"${text.slice(0, 80)}" names no PCRs`, {
    hint: "such as sha256:0,1,2,7, or sha256:0,7+sha384:0 for two banks",
  });
