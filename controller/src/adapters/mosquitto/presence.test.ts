import { describe, expect, it } from "vitest";
import { Presence } from "./presence.ts";

describe("presence by messages", () => {
  it("begins with the first message and ends with silence", () => {
    const presence = new Presence(100);
    expect([presence.heard("a", 0), presence.heard("b", 50), presence.heard("a", 90)]).toEqual([
      "away",
      "away",
      "known",
    ]);
    expect(presence.takeSilent(150)).toEqual([]);
    expect(presence.takeSilent(151)).toEqual(["b"]);
    expect([presence.has("a"), presence.has("b")]).toEqual([true, false]);
    expect(presence.heard("b", 160)).toBe("away");
  });

  it("takes those for online that were, until they are heard or silent", () => {
    const presence = new Presence(100);
    presence.heard("a", 0);
    presence.heard("b", 80);
    const before = presence.takeAll();
    expect([presence.has("a"), presence.has("b")]).toEqual([false, false]);
    expect(presence.heard("c", 95)).toBe("away");
    expect(presence.assume(before, 110)).toEqual(["b"]);
    expect([presence.heard("b", 120), presence.heard("b", 121), presence.heard("a", 122)]).toEqual([
      ...["assumed", "known", "away"],
    ]);
    expect(presence.takeSilent(200)).toEqual(["c"]);
  });

  it("forgets one whose session was ended", () => {
    const presence = new Presence(100);
    presence.assume([{ device: "a", heardAt: 0 }], 10);
    expect([presence.forget("a"), presence.forget("a"), presence.has("a")]).toEqual([true, false, false]);
    expect(presence.heard("a", 20)).toBe("away");
  });
});
