import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

describe("what is generated and committed", () => {
  it.each(["scripts/generate-reference.ts", "scripts/generate-proto.mjs"])("is what %s makes today", (script) => {
    const run = () =>
      execFileSync(process.execPath, [script, "--check"], { cwd: root, stdio: "pipe", encoding: "utf8" });
    expect(run).not.toThrow();
  });

  it("names every command that does something, also those that hold further ones", () => {
    const page = readFileSync(join(root, "docs/reference/commands.md"), "utf8");
    for (const command of ["revoke", "approve", "rotate", "revoke status"]) {
      expect(page).toContain(`### fleetcert ${command}\n`);
    }
    expect(page).toContain("`--reason <code>`");
    expect(page).not.toContain("### fleetcert device\n");
  });
});
