import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TopicTree } from "./topic-tree.ts";

/** MQTT 3.1.1 §4.7 written down once more, the slow way. */
function matches(filter: string, topic: string): boolean {
  const [first = "", ...restOfFilter] = filter.split("/");
  if (topic.startsWith("$") && (first === "+" || first === "#")) return false;
  const go = (levels: readonly string[], names: readonly string[]): boolean => {
    const [level, ...more] = levels;
    if (level === undefined) return names.length === 0;
    if (level === "#") return true;
    const [name, ...others] = names;
    return name !== undefined && (level === "+" || level === name) && go(more, others);
  };
  return go([first, ...restOfFilter], topic.split("/"));
}

const level = fc.constantFrom("a", "b", "", "$x");
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/"));
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { maxLength: 3 }), fc.constantFrom([], ["#"], ["a"]))
  .map(([levels, last]) => [...levels, ...last].join("/"));

describe("a topic tree", () => {
  it("finds exactly the filters that match a topic", () => {
    fc.assert(
      fc.property(fc.uniqueArray(filters, { maxLength: 12 }), topics, (held, topic) => {
        const tree = new TopicTree<string>();
        for (const filter of held) tree.set(filter, filter);
        expect(tree.matching(topic).sort()).toEqual(held.filter((filter) => matches(filter, topic)).sort());
      }),
    );
  });

  it("finds exactly the topics a filter matches", () => {
    fc.assert(
      fc.property(fc.uniqueArray(topics, { maxLength: 12 }), filters, (held, filter) => {
        const tree = new TopicTree<string>();
        for (const topic of held) tree.set(topic, topic);
        expect(tree.under(filter).sort()).toEqual(held.filter((topic) => matches(filter, topic)).sort());
      }),
    );
  });

  it("holds what a map with the same changes holds", () => {
    const change = fc.tuple(topics, fc.option(fc.integer(), { nil: undefined }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const tree = new TopicTree<number>();
        const map = new Map<string, number>();
        for (const [topic, value] of changes) {
          if (value === undefined) {
            tree.delete(topic);
            map.delete(topic);
          } else {
            tree.set(topic, value);
            map.set(topic, value);
          }
        }
        const shown = tree.under("#").length + tree.under("$x/#").length;
        expect(shown).toBe(map.size);
        for (const [topic, value] of map) expect(tree.get(topic)).toBe(value);
      }),
    );
  });
});
