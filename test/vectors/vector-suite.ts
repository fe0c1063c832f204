import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, it } from "vitest";

/** What a vector suite is and where its files lie under the vector folder. */
export interface VectorSuite {
  readonly name: string;
  /** File or folder below the vector folder. */
  readonly source: string;
  /** How many vectors there are, for the report when they are absent. */
  readonly count: number;
}

/**
 * Declares a suite over vectors that are not part of the repository: folder from FLEETCERT_VECTORS, else
 * `../shared/vectors` beside the repository. Absent vectors are reported as skipped with their count, or fail the run with
 * FLEETCERT_VECTORS_REQUIRED=1.
 */
export function vectorSuite({ name, source, count }: VectorSuite, declare: (path: string) => void): void {
  const folder = process.env["FLEETCERT_VECTORS"] ?? resolve(repositoryRoot, "../shared/vectors");
  const path = join(folder, source);
  if (existsSync(path)) {
    describe(name, () => declare(path));
    return;
  }
  it(`${name}: ${count} vectors`, ({ skip }) => {
    if (process.env["FLEETCERT_VECTORS_REQUIRED"] === "1") throw new Error(`no vectors at ${path}`);
    process.stdout.write(`${name}: ${count} vectors skipped, none at ${path}\n`);
    skip(`none at ${path}`);
  });
}

/** Counts what a suite did and says it in one line, with the skipped ones by reason. */
export class VectorTally {
  readonly accepted: string[] = [];
  readonly rejected: string[] = [];
  readonly falseAccepts: string[] = [];
  /** Valid cases that were refused, as `case (why)`. */
  readonly falseRejects: string[] = [];
  readonly #skipped = new Map<string, number>();

  get read(): number {
    return this.accepted.length + this.rejected.length + this.skipped;
  }

  get skipped(): number {
    return [...this.#skipped.values()].reduce((sum, count) => sum + count, 0);
  }

  skip(reason: string, count = 1): void {
    this.#skipped.set(reason, (this.#skipped.get(reason) ?? 0) + count);
  }

  /** Notes one verdict: `why` is undefined when the vector was accepted. */
  judge(id: string, { isValid, why }: { readonly isValid: boolean; readonly why: string | undefined }): void {
    (why === undefined ? this.accepted : this.rejected).push(id);
    if (why === undefined && !isValid) this.falseAccepts.push(id);
    if (why !== undefined && isValid) this.falseRejects.push(`${id} (${why})`);
  }

  print(name: string): void {
    const reasons = [...this.#skipped].map(([reason, count]) => `${count} ${reason}`).join(", ");
    process.stdout.write(
      `${name}: read ${this.read}, accepted ${this.accepted.length}, rejected ${this.rejected.length}, ` +
        `skipped ${this.skipped}${reasons && ` (${reasons})`}; invalid accepted ${this.falseAccepts.length}, ` +
        `valid rejected ${this.falseRejects.length}${this.falseRejects.length > 0 ? `: ${this.falseRejects.join("; ")}` : ""}\n`,
    );
  }
}

const repositoryRoot = dirname(dirname(import.meta.dirname));
