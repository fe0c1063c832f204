/**
 * Text as it may stand in a log: characters that could forge lines, move the cursor or turn the reading direction are
 * written as `\u{hex}`, and what is longer than the limit is cut and says so.
 */
export function printableText(text: string, maxLength = 1024): string {
  const printable = text.replace(unprintable, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
  const characters = [...printable];
  if (characters.length <= maxLength) return printable;
  return `${characters.slice(0, maxLength).join("")}… (${characters.length - maxLength} more)`;
}

/** Controls, format characters such as bidirectional overrides, line and paragraph separators, lone surrogates. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
