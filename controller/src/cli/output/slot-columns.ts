import { fromNow, type Instant, span, when } from "@fleetcert/shared";
import type { SlotView } from "../../access/slot-views.ts";
import type { Column } from "./render.ts";

/** The columns of a device's slots. */
export function slotColumns(now: Instant): Column<SlotView>[] {
  return [
    { head: "slot", text: ({ slot }) => slot },
    { head: "generation", text: ({ generation }) => String(generation) },
    { head: "state", text: ({ state }) => state },
    { head: "issued", text: ({ issuedAt }) => when(issuedAt) },
    { head: "proven", text: provenText },
    { head: "waits for proof", text: ({ waiting }) => waitingText(waiting, now) },
    { head: "renewal", text: ({ renewal }) => renewalText(renewal, now) },
    { head: "key", text: keyText },
    { head: "on the device", text: ({ journal, lastError }) => deviceText(journal, lastError) },
    { head: "rollbacks", text: (slot) => rollbackText(slot, now) },
  ];
}

/** Such as `generation 3, 2026-12-08 11:00Z to 2026-12-12 03:00Z`, and what else is said of it. */
function renewalText(renewal: SlotView["renewal"], now: Instant): string {
  if (renewal === undefined) return "none planned";
  const { generation, start, end, mode, maintenance, explanationUrl } = renewal;
  const further = [
    ...(mode === "automatic" ? [] : [mode]),
    ...maintenance,
    ...(explanationUrl === "" ? [] : [explanationUrl]),
  ];
  const window = start <= now ? `now, until ${when(end)}` : `${when(start)} to ${when(end)}`;
  return [`generation ${generation}, ${window}`, ...further].join(", ");
}

function keyText({ protection, keyStore }: SlotView): string {
  return keyStore === "" || keyStore === protection ? protection : `${protection}, ${keyStore}`;
}

function provenText({ provenAt, provenVia }: SlotView): string {
  if (provenAt === undefined) return "never";
  return provenVia === "" ? when(provenAt) : `${when(provenAt)} by ${provenVia}`;
}

function waitingText(waiting: SlotView["waiting"], now: Instant): string {
  return waiting === undefined ? "-" : `generation ${waiting.generation} for ${span(now - waiting.issuedAt)}`;
}

function deviceText(journal: string, lastError: string): string {
  if (journal === "") return "no report yet";
  const doing = journal === "idle" ? "settled" : journal;
  return lastError === "" ? doing : `${doing}, ${lastError}`;
}

function rollbackText({ rollbacks, rollbackCause, rollbackAt }: SlotView, now: Instant): string {
  if (rollbacks === 0) return "0";
  const at = rollbackAt === undefined ? "" : ` ${fromNow(rollbackAt, now)}`;
  return `${rollbacks}, last${at}: ${rollbackCause}`;
}
