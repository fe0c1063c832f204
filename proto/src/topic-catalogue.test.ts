import { describe, expect, it } from "vitest";
import { topicCatalogue } from "./topic-catalogue.ts";
import { parseTopic } from "./topics.ts";

/** Something that stands where a name in braces stood. */
const samples: Readonly<Record<string, string>> = {
  ...{ id: "edge-1", clientId: `boot-${"a".repeat(40)}`, issuer: "b".repeat(64) },
  ...{ version: "3", shard: "2", epoch: "7", part: "0", from: "6", to: "7" },
};

describe("the catalogue of topics", () => {
  it.each(Object.entries(topicCatalogue))("gives the form of %s as the parser takes it", (type, { form, from }) => {
    const kind = from === "device" ? "enrol" : "refused";
    const text = form.replace(/\{(\w+)\}/g, (_, name) => (name === "kind" ? kind : (samples[name] ?? "?")));
    expect(parseTopic(text)?.type).toBe(type);
  });
});
