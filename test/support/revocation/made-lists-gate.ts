import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { madeListsVariable } from "./made-lists.ts";
import { checkMadeLists, type ListsReport } from "./made-lists-check.ts";

let folder: string | undefined;

/** Before a test run: every list the product makes in it is gathered from now on. Each project calls it; the first does it for all. */
export function setup(): void {
  if (process.env[madeListsVariable] !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), "fleetcert-made-lists-"));
  process.env[madeListsVariable] = folder;
}

/** After it: checks them all, says how many, and fails the run for one defect. */
export function teardown(): void {
  if (folder === undefined) return;
  try {
    judge(checkMadeLists(folder, { perKind: process.env["FLEETCERT_LONG"] === "1" ? 100 : 8 }));
  } catch (error) {
    // Said here too: where a run takes long to end, its process may exit before it has looked at this error.
    process.exitCode = 1;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function judge({ faults, counts, missing }: ListsReport): void {
  const made = Object.entries(counts).filter(([, count]) => count.made > 0);
  if (made.length === 0) return;
  const each = made.map(([kind, count]) => `${kind} ${count.made} (${count.shownToOthers} by OpenSSL and GnuTLS too)`);
  const without = missing.length === 0 ? "" : `; NOT BY ${missing.join(", ")}: missing`;
  process.stdout.write(`revocation lists made in this run, all checked: ${each.join(", ")}${without}\n`);
  if (missing.length > 0 && process.env["FLEETCERT_VECTORS_REQUIRED"] === "1") {
    throw new Error(`this machine must have ${missing.join(", ")}`);
  }
  if (faults.length > 0) throw new Error(`${faults.length} faults of lists:\n${faults.slice(0, 20).join("\n")}`);
}
