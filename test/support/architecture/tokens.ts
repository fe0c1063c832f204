/** One token of TypeScript source, as coarse as the architecture rules need it. */
export interface Token {
  readonly kind: "word" | "string" | "mark";
  /** The word, the content of the string literal, or the one punctuation character. */
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
}

/**
 * Splits TypeScript source into words, string literals and punctuation; comments, template texts and regular
 * expressions are left out, so that a rule never trips over prose. Whatever stands in `${…}` of a template is kept.
 */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  /** Depth of open braces at which a `${` began; the brace that closes it goes on with the template. */
  const templates: number[] = [];
  let braces = 0;
  let line = 1;
  for (let at = 0; at < source.length; ) {
    const rest = pieceAt(source, at, tokens.at(-1), templates.at(-1) === braces);
    const text = source.slice(at, rest.end);
    if (rest.kind === "template" && text.startsWith("}")) templates.pop();
    if (rest.kind === "template" && text.endsWith("${")) templates.push(braces);
    if (rest.kind === "mark" && text === "{") braces += 1;
    if (rest.kind === "mark" && text === "}") braces -= 1;
    if (rest.kind === "string") tokens.push({ kind: "string", text: text.slice(1, -1), line });
    if (rest.kind === "word" || rest.kind === "mark") tokens.push({ kind: rest.kind, text, line });
    line += text.split("\n").length - 1;
    at = rest.end;
  }
  return tokens;
}

interface Piece {
  readonly kind: "blank" | "word" | "string" | "template" | "regex" | "mark";
  readonly end: number;
}

/** Longest first; each matches at the position only. */
const patterns: readonly (readonly [Piece["kind"], RegExp])[] = [
  ["blank", /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|^#![^\n]*/y],
  ["string", /"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/y],
  ["word", /[\p{ID_Start}\p{N}_$][\p{ID_Continue}$]*/uy],
  ["template", /`(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y],
];
const templateRest = /\}(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;
const regex = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;

function pieceAt(source: string, at: number, previous: Token | undefined, isInTemplate: boolean): Piece {
  const endOf = (pattern: RegExp): number | undefined => {
    pattern.lastIndex = at;
    return pattern.test(source) ? pattern.lastIndex : undefined;
  };
  if (isInTemplate && source[at] === "}") {
    return { kind: "template", end: endOf(templateRest) ?? source.length };
  }
  for (const [kind, pattern] of patterns) {
    const end = endOf(pattern);
    if (end !== undefined) return { kind, end };
  }
  const regexEnd = source[at] === "/" && mayStartRegex(previous) ? endOf(regex) : undefined;
  return regexEnd === undefined ? { kind: "mark", end: at + 1 } : { kind: "regex", end: regexEnd };
}

/** After a value a slash divides; anywhere else it opens a regular expression. */
function mayStartRegex(previous: Token | undefined): boolean {
  if (previous === undefined) return true;
  if (previous.kind === "word")
    return /^(return|typeof|case|in|of|delete|void|throw|new|await|yield)$/.test(previous.text);
  return previous.kind === "mark" && !")]}".includes(previous.text);
}
