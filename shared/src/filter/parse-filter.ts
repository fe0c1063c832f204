import { FleetError } from "../errors.ts";
import { parseDuration } from "../time/duration.ts";
import type { Comparison, Condition, Filter, FilterValue } from "./filter.ts";

/**
 * Parses a filter of version 1: conditions `field op value` joined by `&&`, op one of `=`, `!=`, `<`, `>`.
 *
 * A field is letters, digits, `_`, `-` and dots. A value is a bare word or is in double quotes, where `\"` and `\\`
 * escape. Bare words may also be numbers, durations (`30d`), dates (`2026-11-20`, `2026-11-20T18:00:00Z`) or sizes
 * (`4KiB`). Throws `filter-invalid` with the position, counted from 1.
 */
export function parseFilter(text: string): Filter {
  if (text.length > maxCharacters)
    throw wrong(`it has ${text.length} characters, limit ${maxCharacters}`, maxCharacters);
  const scanner = new Scanner(text);
  const conditions: Condition[] = [];
  if (scanner.isAtEnd) return { text, conditions };
  do {
    if (conditions.length >= maxConditions) throw scanner.wrong(`more than ${maxConditions} conditions`);
    const field = scanner.take(/[A-Za-z][A-Za-z0-9_.-]*/y) ?? scanner.fail("a field name is missing");
    const comparison = (scanner.take(/!=|=|<|>/y) ??
      scanner.fail(`one of = != < > is missing after "${field}"`)) as Comparison;
    conditions.push({ field, comparison, value: takeValue(scanner) });
  } while (scanner.take(/&&/y) !== undefined);
  if (!scanner.isAtEnd) throw scanner.wrong("only && may follow a condition");
  return { text, conditions };
}

class Scanner {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
    this.take(/(?:)/y);
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#text.length;
  }

  /** The text a sticky pattern matches here, and steps over it and the blanks behind. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#position += found.length;
    while (/\s/.test(this.#text.charAt(this.#position))) this.#position++;
    return found;
  }

  fail(message: string): never {
    throw this.wrong(message);
  }

  wrong(message: string): FleetError {
    return wrong(message, this.#position);
  }
}

function takeValue(scanner: Scanner): FilterValue {
  const quoted = scanner.take(/"(?:[^"\\]|\\["\\])*"/y);
  if (quoted !== undefined) return { text: quoted.slice(1, -1).replace(/\\(["\\])/g, "$1") };
  const word = scanner.take(/[^\s"&=!<>]+/y) ?? scanner.fail("a value is missing, or its quote is not closed");
  return { text: word, ...meaningsOf(word) };
}

function meaningsOf(word: string): Omit<FilterValue, "text"> {
  if (/^-?\d+(?:\.\d+)?$/.test(word)) return { number: Number(word) };
  if (/^(?:\d+(?:d|h|m|s|ms))+$/.test(word)) return asDuration(word);
  const size = /^(\d+(?:\.\d+)?)(B|[KMGT]iB|[kMGT]B)$/.exec(word);
  if (size !== null) return { bytes: Number(size[1]) * (sizeUnits[size[2] as string] as number) };
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z)?$/.test(word)) return {};
  const instant = Date.parse(word);
  return Number.isNaN(instant) ? {} : { instant };
}

function asDuration(word: string): Omit<FilterValue, "text"> {
  try {
    return { duration: parseDuration(word) };
  } catch {
    // Units out of order: then it is a word like any other.
    return {};
  }
}

function wrong(message: string, position: number): FleetError {
  return new FleetError("filter-invalid", `filter, position ${position + 1}: ${message}`, {
    hint: 'write conditions like site = "plant 7" && age > 30d',
  });
}

const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

const maxCharacters = 4096;

const maxConditions = 64;
