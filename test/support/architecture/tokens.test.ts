import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importsOf } from "./imports.ts";
import { tokensOf } from "./tokens.ts";

const hole = (code: string): string => ["$", "{", code, "}"].join("");
const texts = (source: string): string[] => tokensOf(source).map(({ text }) => text);

describe("tokens of TypeScript source", () => {
  it("leaves out comments, template texts and regular expressions", () => {
    expect(
      texts(`a /* Date.now */ // Date.now\n+ \`Date.now ${hole("b")} Date.now\` + /Date.now[/]/g.test(c)`),
    ).toEqual(["a", "+", "b", "+", ".", "test", "(", "c", ")"]);
  });

  it("keeps what stands inside nested templates, objects in them included", () => {
    expect(texts(`\`a${hole(` { b: \`c${hole("d")}\` } `)}e\` + f`)).toEqual(["{", "b", ":", "d", "}", "+", "f"]);
  });

  it("takes a slash after a value as a division", () => {
    expect(texts("a / b / c; (d) / e")).toEqual(["a", "/", "b", "/", "c", ";", "(", "d", ")", "/", "e"]);
  });

  it("counts lines", () => {
    expect(tokensOf("a\n/*\n*/ b\n`\n` + c").map(({ text, line }) => [text, line])).toEqual([
      ["a", 1],
      ["b", 3],
      ["+", 5],
      ["c", 5],
    ]);
  });

  it("takes any text to its end", () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom("/", "`", "$", "{", "}", '"', "'", "\\", "\n", "*", "a", " ", "é", "\u{1f511}"),
        }),
        (source) => {
          const lines = source.split("\n").length;
          expect(tokensOf(source).every(({ line }) => line >= 1 && line <= lines)).toBe(true);
        },
      ),
    );
  });
});

describe("imports of TypeScript source", () => {
  it("finds every form, with names and what is type only", () => {
    const source = `
      import { a, type B as C, d as e } from "one";
      import type { F } from "two";
      import { type G } from "three";
      import * as h from "four";
      import i, { j } from "five";
      import "six";
      export { k } from "seven";
      export * from "eight";
      export type { L } from "nine";
      const m = await import("ten");
      const n = await import(name);
    `;
    expect(
      importsOf(source).map(({ specifier, names, isTypeOnly, isReExport }) => [
        specifier,
        names,
        isTypeOnly,
        isReExport,
      ]),
    ).toEqual([
      ["one", ["a", "d"], false, false],
      ["two", [], true, false],
      ["three", [], true, false],
      ["four", ["*"], false, false],
      ["five", ["*", "j"], false, false],
      ["six", ["*"], false, false],
      ["seven", ["k"], false, true],
      ["eight", ["*"], false, true],
      ["nine", [], true, true],
      ["ten", ["*"], false, false],
      ["?", ["*"], false, false],
    ]);
  });

  it("finds none in comments, texts, import.meta, members and exports of the file's own things", () => {
    const source = `
      // import { a } from "one";
      const b = 'import { a } from "two"';
      const c = import.meta.url;
      const d = e.import("three");
      export { b, c };
      export const from = "four";
      export function f(): void {}
    `;
    expect(importsOf(source)).toEqual([]);
  });
});
