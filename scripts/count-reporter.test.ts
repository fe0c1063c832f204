import { describe, expect, it } from "vitest";
import type { TestModule } from "vitest/node";
import { countTests } from "./count-reporter.ts";

type State = "passed" | "failed" | "skipped" | "pending";

/** A file as vitest reports it: its own state and those of its tests. */
function aModule(state: string, ...tests: State[]): TestModule {
  const cases = tests.map((one) => ({ result: () => ({ state: one }) }));
  return { state: () => state, children: { allTests: () => cases } } as unknown as TestModule;
}

describe("the counts of a test run", () => {
  it("are those of all its files", () => {
    const modules = [aModule("passed", "passed", "skipped"), aModule("failed", "passed", "failed"), aModule("skipped")];
    expect(countTests(modules, 0)).toEqual({ passed: 2, failed: 1, skipped: 1 });
  });

  it("count a file that cannot be loaded, a test without an end and an error outside any test as failed", () => {
    expect(countTests([aModule("failed"), aModule("failed", "passed", "pending")], 1)).toEqual({
      passed: 1,
      failed: 3,
      skipped: 0,
    });
  });
});
