/**
 * The gate: format and lint, types, dead code, unit and architecture tests; with `--all` every test there is.
 * Other arguments go to vitest, which then runs alone: `npm test -- test/integration/broker`.
 * The last line is `N passed, N failed, N skipped`; a static check counts as one.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";
import type { TestCounts } from "./count-reporter.ts";

interface Check {
  readonly title: string;
  readonly args: readonly string[];
}

const root = join(import.meta.dirname, "..");
const tool = (path: string): string => join(root, "node_modules", path);

const staticChecks: readonly Check[] = [
  { title: "types", args: [tool("typescript/bin/tsc"), "-p", "tsconfig.json"] },
  { title: "format and lint", args: [tool("@biomejs/biome/bin/biome"), "check", "--error-on-warnings"] },
  { title: "dead code", args: [tool("knip/bin/knip.js"), "--no-progress"] },
];

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const isAll = args.includes("--all");
  const filters = args.filter((arg) => arg !== "--all");
  const scratch = mkdtempSync(join(tmpdir(), "fleetcert-check-"));
  try {
    const tests = { isAll, filters, countFile: join(scratch, "counts.json") };
    const results = isAll ? await inTurn(tests) : await atOnce(tests);
    const total = results.reduce(add, { passed: 0, failed: 0, skipped: 0 });
    process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
    return total.failed === 0 ? 0 : 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

interface Tests {
  readonly isAll: boolean;
  readonly filters: readonly string[];
  readonly countFile: string;
}

/** The static checks run beside the unit tests; only what fails shows its output. */
async function atOnce(tests: Tests): Promise<TestCounts[]> {
  const checks = tests.filters.length > 0 ? [] : staticChecks;
  return Promise.all([runUnitTests(tests), ...checks.map(runCheck)]);
}

/** The static checks first, then every test, with its progress on this terminal. */
async function inTurn(tests: Tests): Promise<TestCounts[]> {
  const checks = tests.filters.length > 0 ? [] : await Promise.all(staticChecks.map(runCheck));
  const { code } = await run(vitest(tests), { isLive: true, countFile: tests.countFile });
  return [...checks, readCounts(tests.countFile, code)];
}

async function runUnitTests(tests: Tests): Promise<TestCounts> {
  const started = performance.now();
  const { code, output } = await run(vitest(tests), { isLive: false, countFile: tests.countFile });
  const counts = readCounts(tests.countFile, code);
  tell({ title: `unit and architecture tests: ${counts.passed}`, isOk: counts.failed === 0, started, output });
  return counts;
}

async function runCheck({ title, args }: Check): Promise<TestCounts> {
  const started = performance.now();
  const { code, output } = await run(args, { isLive: false });
  tell({ title, isOk: code === 0, started, output });
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

function vitest({ isAll, filters }: Tests): string[] {
  const reporters = ["--reporter=default", "--reporter=./scripts/count-reporter.ts"];
  return [tool("vitest/vitest.mjs"), "run", ...reporters, ...(isAll ? [] : ["--project=unit"]), ...filters];
}

/** A run that ended badly without a failed test (it was killed, or a hook of vitest itself failed) is a failure too. */
function readCounts(file: string, code: number): TestCounts {
  const counts = parseCounts(file);
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

function parseCounts(file: string): TestCounts {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as TestCounts;
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

interface Line {
  readonly title: string;
  readonly isOk: boolean;
  readonly started: number;
  readonly output: string;
}

function tell({ title, isOk, started, output }: Line): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const mark = isOk ? styleText("green", "✔") : styleText("red", "✖");
  process.stdout.write(`${mark} ${title}  ${styleText("dim", `${seconds} s`)}\n${isOk ? "" : `${output.trim()}\n\n`}`);
}

function add(a: TestCounts, b: TestCounts): TestCounts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

interface RunOptions {
  /** Whether the person sees the output as it comes; otherwise it is kept. */
  readonly isLive: boolean;
  readonly countFile?: string;
}

function run(args: readonly string[], { isLive, countFile }: RunOptions): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...(countFile === undefined ? {} : { FLEETCERT_TEST_COUNTS: countFile }) };
    const stdio = isLive ? "inherit" : "pipe";
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", stdio, stdio] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.once(signal, () => child.kill(signal));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}
