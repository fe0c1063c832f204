import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** The long counts take minutes each: there a test that hangs is ended by the half hour. */
const patience = process.env["FLEETCERT_LONG"] === "1" ? 1_800_000 : 0;
const whole = ["test/{integration,vectors,scenarios,simulation}/**/*.test.ts"];

export default defineConfig({
  test: {
    pool: "forks",
    testTimeout: patience || 20_000,
    hookTimeout: 60_000,
    globalSetup: ["test/support/revocation/made-lists-gate.ts"],
    // The check of all lists at the end asks other programs, a second or two; on a busy machine more.
    teardownTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{shared,proto,hw,agent,controller,test,scripts}/**/*.test.ts"],
          exclude: ["**/node_modules/**", ...whole],
          // One process for many files saves two fifths of the time. So no test here may leave anything behind in its process;
          // what needs a process of its own (a token, a broker) belongs to the other project.
          isolate: false,
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "whole",
          include: whole,
          // Files with real brokers, tokens and processes of their own: more at once only makes each slower.
          maxWorkers: Math.min(2, availableParallelism()),
          sequence: { groupOrder: 1 },
          testTimeout: patience || 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
