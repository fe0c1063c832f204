// Generates proto/src/generated from proto/v1/*.proto; `--check` says whether what is committed is what would be made.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = join(root, "proto/src/generated");
const scratch = mkdtempSync(join(tmpdir(), "fleetcert-proto-"));
const bin = (name) => join(root, "node_modules/.bin", name);
const protoFolder = join(root, "proto/v1");
const sources = readdirSync(protoFolder)
  .filter((name) => name.endsWith(".proto"))
  .sort()
  .map((name) => join(protoFolder, name));

const common = ["-t", "static-module", "-w", "es6", "--es6", "--force-number", "-p", protoFolder];
const lean = ["--no-create", "--no-verify", "--no-convert", "--no-delimited", "--no-service", "--no-typeurl"];
try {
  const commented = join(scratch, "commented.js");
  execFileSync(bin("pbjs"), [...common, ...lean, "-o", commented, ...sources]);
  execFileSync(bin("pbts"), ["-o", join(scratch, "v1.d.ts"), commented]);
  execFileSync(bin("pbjs"), [...common, ...lean, "--no-comments", "-o", join(scratch, "v1.js"), ...sources]);
  const stale = [];
  for (const name of ["v1.js", "v1.d.ts"]) {
    const made = readFileSync(join(scratch, name), "utf8");
    if (process.argv.includes("--check")) {
      if (readFileSync(join(target, name), "utf8") !== made) stale.push(name);
    } else writeFileSync(join(target, name), made);
  }
  if (stale.length > 0) {
    console.error(`stale: ${stale.join(", ")}; run node scripts/generate-proto.mjs`);
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
