import { describe, expect, it } from "vitest";
import { demoUsage, parseOptions } from "./options.ts";

describe("the arguments of npm start", () => {
  it("plays the main job when none is named", () => {
    expect(parseOptions([])).toMatchObject({ scenario: "main", devices: 25, headless: false });
  });

  it.each(["", "nonsense", "constructor", "__proto__"])("refuses --scenario %j and says which there are", (name) => {
    expect(() => parseOptions([`--scenario=${name}`])).toThrow(/is not one of main/);
  });

  it("names every scenario in its help", () => {
    expect(demoUsage).toContain("--scenario S   what is played: main");
  });
});
