import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** What a command of a runbook said. */
export interface Executed {
  readonly command: string;
  readonly code: number;
  /** Of a command with `--json`; undefined for another. */
  readonly json: unknown;
  readonly stderr: string;
}

/** The commands of a runbook in docs/runbooks, in their order: the lines of its `sh` blocks. */
export async function commandsOf(name: string): Promise<string[]> {
  const text = await readFile(join(import.meta.dirname, "../../../docs/runbooks", `${name}.md`), "utf8");
  return [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = ""]) =>
    block.split("\n").filter((line) => line !== ""),
  );
}

/** Executes one command of a runbook with its `$NAMES` replaced, as a person at the controller's host would. */
export function execute(command: string, names: Readonly<Record<string, string>>): Promise<Executed> {
  const words = command
    .split(" ")
    .map((word) => word.replaceAll(/\$([A-Z_]+)/g, (_, name: string) => names[name] ?? `$${name}`));
  const [program, ...args] = words;
  if (program !== "fleetcert") throw new Error(`a runbook's test executes fleetcert only, not ${program}`);
  const main = join(import.meta.dirname, "../../../controller/src/main.ts");
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", main, ...args],
      { timeout: 60_000 },
      (error, stdout, stderr) => {
        const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1;
        resolve({
          command,
          code,
          json: args.includes("--json") && stdout !== "" ? JSON.parse(stdout) : undefined,
          stderr,
        });
      },
    );
  });
}
