import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

/** How a run ended, in tests. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Counts a test run; a file that cannot be loaded and an error outside any test count as one failed test each. */
export function countTests(modules: Iterable<TestModule>, unhandledErrors: number): TestCounts {
  const counts = { passed: 0, failed: unhandledErrors, skipped: 0 };
  for (const module of modules) {
    const before = counts.failed;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // A test that never came to its end proved nothing.
      counts[state === "pending" ? "failed" : state] += 1;
    }
    if (module.state() === "failed" && counts.failed === before) counts.failed += 1;
  }
  return counts;
}

/** A vitest reporter that leaves the counts in the file FLEETCERT_TEST_COUNTS. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const file = process.env["FLEETCERT_TEST_COUNTS"];
    if (file !== undefined) writeFileSync(file, JSON.stringify(countTests(modules, unhandledErrors.length)));
  }
}
