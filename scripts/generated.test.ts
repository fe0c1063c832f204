import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

describe("what is generated and committed", () => {
  it.each(["scripts/generate-reference.ts", "scripts/generate-proto.mjs"])("is what %s makes today", (script) => {
    const run = () =>
      execFileSync(process.execPath, [script, "--check"], { cwd: root, stdio: "pipe", encoding: "utf8" });
    expect(run).not.toThrow();
  });
});
