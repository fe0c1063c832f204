import { FleetError } from "../errors.ts";
import type { Duration } from "./instant.ts";

/** Milliseconds of a text such as `90d`, `1h30m` or `500ms`: units d, h, m, s, ms in falling order. Throws `request-invalid`. */
export function parseDuration(text: string): Duration {
  const match = durationForm.exec(text);
  if (match === null || text === "") {
    throw new FleetError("request-invalid", `"${text.slice(0, 40)}" is no duration`, {
      hint: "write 90d, 1h30m, 45s or 500ms",
    });
  }
  const total = units.reduce((sum, { milliseconds }, index) => sum + Number(match[index + 1] ?? 0) * milliseconds, 0);
  if (!Number.isSafeInteger(total))
    throw new FleetError("request-invalid", `"${text.slice(0, 40)}" is too long a duration`);
  return total;
}

/** The shortest exact text of a duration that {@link parseDuration} reads back; zero is `0s`. */
export function formatDuration(duration: Duration): string {
  let rest = Math.abs(Math.round(duration));
  let text = "";
  for (const { name, milliseconds } of units) {
    const count = Math.floor(rest / milliseconds);
    if (count > 0) text += `${count}${name}`;
    rest -= count * milliseconds;
  }
  return text === "" ? "0s" : `${duration < 0 ? "-" : ""}${text}`;
}

const units = [
  { name: "d", milliseconds: 86_400_000 },
  { name: "h", milliseconds: 3_600_000 },
  { name: "m", milliseconds: 60_000 },
  { name: "s", milliseconds: 1_000 },
  { name: "ms", milliseconds: 1 },
] as const;

const durationForm = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?$/;
