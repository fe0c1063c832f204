import { importsOf } from "./imports.ts";
import type { SourceFile } from "./source-tree.ts";
import { type Token, tokensOf } from "./tokens.ts";

/** No file holds more lines; past it there is a second idea to find in it. */
const maxLines = 400;

/** Where the present, timers and chance may be taken from the machine. */
const impureFiles = /(^|\/)(adapters|cli|scripts|test|bin)\/|\/src\/main\.ts$|^hw\/|\.test\.ts$/;

/** Each a row of words and marks that may only stand in adapters, main, cli, scripts and tests. */
const impure = [
  "Date . now",
  "new Date ( )",
  "Math . random",
  "performance . now",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "randomBytes",
  "randomUUID",
  "getRandomValues",
  "randomInt",
];

/** Folders and files are named by duty, never by kind. */
const kindNames = /(^|\/)(utils?|helpers?|services?|managers?|misc|common)(\/|\.[a-z]+$)/;

/** Default exports that a tool asks for. */
const defaultExports = ["vitest.config.ts", "scripts/count-reporter.ts"];

/** Checks the habits that no import table can see; returns one sentence per violation. */
export function habitViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const tokens = tokensOf(file.text);
    return [
      ...sizeViolations(file),
      ...nameViolations(file),
      ...barrelViolations(file),
      ...(impureFiles.test(file.path)
        ? []
        : rowViolations(file, tokens, { rows: impure, why: "is passed in, not taken from the machine" })),
      ...(defaultExports.includes(file.path)
        ? []
        : rowViolations(file, tokens, { rows: ["export default"], why: "exports are named" })),
      ...(file.path.endsWith(".test.ts")
        ? rowViolations(file, tokens, { rows: focused, why: "every test runs, always" })
        : []),
    ];
  });
}

const focused = ["it", "test", "describe"].flatMap((word) => [`${word} . only`, `${word} . skip`, `${word} . todo`]);

function sizeViolations({ path, text }: SourceFile): string[] {
  const lines = text.split("\n").length - 1;
  return lines > maxLines ? [`${path} has ${lines} lines, at most ${maxLines}`] : [];
}

function nameViolations({ path }: SourceFile): string[] {
  const name = path.split("/").at(-1) ?? "";
  return [
    ...(/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config|d))?\.[a-z]+$/.test(name)
      ? []
      : [`${path}: files are named in kebab-case`]),
    ...(kindNames.test(path) ? [`${path}: named by its kind, not by what it is about`] : []),
  ];
}

/** One index.ts per workspace lists its public names; everything else is imported where it stands. */
function barrelViolations({ path, text }: SourceFile): string[] {
  if (/^[a-z]+\/src\/index\.ts$/.test(path)) return [];
  if (path.endsWith("/index.ts")) return [`${path}: no barrels inside a package`];
  return importsOf(text)
    .filter(({ isReExport }) => isReExport)
    .map(({ line, specifier }) => `${path}:${line} hands on ${specifier}: only src/index.ts does`);
}

function rowViolations(
  { path }: SourceFile,
  tokens: readonly Token[],
  { rows, why }: { rows: readonly string[]; why: string },
): string[] {
  return rows.flatMap((row) => {
    const words = row.split(" ");
    return tokens
      .filter(
        (token, at) => token.kind !== "string" && words.every((word, offset) => isToken(tokens[at + offset], word)),
      )
      .filter((_, index, all) => index === all.findIndex(({ line }) => line === all[index]?.line))
      .map(({ line }) => `${path}:${line} has ${words.join("")}: ${why}`);
  });
}

function isToken(token: Token | undefined, text: string): boolean {
  return token !== undefined && token.kind !== "string" && token.text === text;
}
