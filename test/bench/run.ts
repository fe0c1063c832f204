/**
 * Runs the benchmarks beside this file and prints their rows: `npm run bench -- [NAME…] [--json FILE]`.
 * A benchmark is a module that exports `bench(): Promise<Row[]>`; its name is its file's.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, styleText } from "node:util";

/** One measured figure; compare ratios, not seconds, between machines. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** `value` against the yardstick `of`, both measured in this run. */
  readonly ratio?: number;
  /** What the ratio is to, with its version where it has one. */
  readonly of?: string;
}

interface Benchmark {
  bench(): Promise<readonly Row[]>;
}

/** A child runs one benchmark: what another left in the heap and in the compiler would be measured too. */
const alone = process.env["FLEETCERT_BENCH_ALONE"];
if (alone === undefined) {
  process.exitCode = await main(process.argv.slice(2));
} else {
  const { bench } = (await import(`./${alone}.ts`)) as Benchmark;
  process.send?.(await bench(), () => process.exit());
}

async function main(args: readonly string[]): Promise<number> {
  const known = benchmarkNames();
  const asked = parse(args);
  const unknown = asked?.names.filter((name) => !known.includes(name)) ?? [];
  if (asked === undefined || unknown.length > 0) {
    const what = unknown.length > 0 ? `there is no benchmark ${unknown.join(", ")}` : "the command line is wrong";
    process.stderr.write(`✖ ${what}\n  usage  npm run bench -- [NAME…] [--json FILE]\n  names  ${known.join(", ")}\n`);
    return 2;
  }
  const rows: Row[] = [];
  const failed: string[] = [];
  for (const name of asked.names.length > 0 ? asked.names : known) {
    process.stderr.write(styleText("dim", `· ${name} …\n`));
    const measured = await runAlone(name);
    if (measured === undefined) failed.push(name);
    for (const row of measured ?? []) process.stdout.write(`${line(row)}\n`);
    rows.push(...(measured ?? []));
  }
  if (asked.file !== undefined) writeFileSync(asked.file, `${JSON.stringify(rows, null, 2)}\n`);
  if (failed.length > 0) process.stderr.write(`✖ failed: ${failed.join(", ")}\n`);
  return failed.length === 0 ? 0 : 1;
}

/** The rows of one benchmark, or undefined when it failed; its error is on stderr by then. */
async function runAlone(name: string): Promise<readonly Row[] | undefined> {
  const child = fork(import.meta.filename, { env: { ...process.env, FLEETCERT_BENCH_ALONE: name } });
  let rows: readonly Row[] | undefined;
  child.on("message", (message) => {
    rows = message as readonly Row[];
  });
  await once(child, "close");
  return rows;
}

function parse(args: readonly string[]): { names: string[]; file: string | undefined } | undefined {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      options: { json: { type: "string" } },
      allowPositionals: true,
    });
    return { names: positionals, file: values.json };
  } catch {
    return undefined;
  }
}

/** Files that export `bench`; the runner and what the benchmarks share do not. */
function benchmarkNames(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(".ts") && file !== "run.ts")
    .filter((file) =>
      /^export (async )?(function|const) bench\b/m.test(readFileSync(join(import.meta.dirname, file), "utf8")),
    )
    .map((file) => file.slice(0, -".ts".length))
    .sort();
}

function line({ name, value, unit, ratio, of }: Row): string {
  const figure = `${name.padEnd(34)} ${significant(value).padStart(12)} ${unit.padEnd(12)}`;
  return ratio === undefined ? figure.trimEnd() : `${figure} ${significant(ratio).padStart(8)} of ${of ?? "?"}`;
}

/** Three significant digits are what a measurement on a busy machine is worth; whole numbers stay whole. */
function significant(value: number): string {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}
