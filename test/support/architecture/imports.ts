import { type Token, tokensOf } from "./tokens.ts";

/** One `import … from`, `export … from`, `import "…"` or `import("…")` of a source file. */
export interface Import {
  readonly specifier: string;
  /** Values taken by name; `*` for a namespace, a default, a bare or a dynamic import. Types are not listed. */
  readonly names: readonly string[];
  /** Erased before it runs. */
  readonly isTypeOnly: boolean;
  readonly isReExport: boolean;
  readonly line: number;
}

/** Finds every import of TypeScript source. A dynamic import of a computed name has the specifier `?`. */
export function importsOf(source: string): Import[] {
  const tokens = tokensOf(source);
  return tokens.flatMap((token, index) => {
    const isMember = tokens[index - 1]?.text === "." && tokens[index - 1]?.kind === "mark";
    if (token.kind !== "word" || isMember) return [];
    if (token.text === "import") return importAt(tokens, index);
    if (token.text === "export") return reExportAt(tokens, index);
    return [];
  });
}

function importAt(tokens: readonly Token[], at: number): Import[] {
  const next = tokens[at + 1];
  const line = tokens[at]?.line ?? 0;
  if (next === undefined || next.text === ".") return [];
  const bare = { names: ["*"], isTypeOnly: false, isReExport: false, line };
  if (next.kind === "string") return [{ ...bare, specifier: next.text }];
  if (next.text === "(" && next.kind === "mark") {
    const name = tokens[at + 2];
    return [{ ...bare, specifier: name?.kind === "string" ? name.text : "?" }];
  }
  return clauseAt(tokens, at, false);
}

function reExportAt(tokens: readonly Token[], at: number): Import[] {
  const next = tokens[at + 1]?.text === "type" ? tokens[at + 2] : tokens[at + 1];
  return next?.text === "{" || next?.text === "*" ? clauseAt(tokens, at, true) : [];
}

/** Everything between the keyword and `from "…"`; nothing when the statement has no `from`. */
function clauseAt(tokens: readonly Token[], at: number, isReExport: boolean): Import[] {
  const from = tokens.findIndex((token, index) => index > at && token.text === "from" && token.kind === "word");
  const specifier = tokens[from + 1];
  const clause = tokens.slice(at + 1, from);
  const isStatement =
    from > 0 &&
    specifier?.kind === "string" &&
    clause.every((token) => token.kind !== "string" && token.text !== ";" && token.text !== "=" && token.text !== "(");
  if (!isStatement) return [];
  const isWholeTypeOnly = clause[0]?.text === "type" && clause[1]?.text !== ",";
  const names = isWholeTypeOnly ? [] : valueNamesOf(clause);
  return [
    {
      specifier: specifier.text,
      names,
      // `import {} from` takes nothing and yet runs the module.
      isTypeOnly: isWholeTypeOnly || (names.length === 0 && clause.length > 2),
      isReExport,
      line: tokens[at]?.line ?? 0,
    },
  ];
}

function valueNamesOf(clause: readonly Token[]): string[] {
  const open = clause.findIndex((token) => token.text === "{");
  const outside = open < 0 ? clause : clause.slice(0, open);
  const inside = open < 0 ? [] : clause.slice(open + 1, -1);
  const items = inside
    .map((token) => token.text)
    .join(" ")
    .split(",")
    .map((item) => item.trim().split(" "))
    .filter((words) => words[0] !== "" && !(words[0] === "type" && words.length > 1))
    .map(([name = ""]) => name);
  return outside.some((token) => token.text !== ",") ? ["*", ...items] : items;
}
