import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { packageVersion, versionText, versionWish } from "./version.ts";

describe("the version", () => {
  it.each(["shared", "agent", "controller"])("is that of the package %s", (name) => {
    const file = new URL(`../../${name}/package.json`, import.meta.url);
    expect((JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version).toBe(packageVersion);
  });

  it("is told to people and to programs", () => {
    expect(versionText("fleetcert", "v24.1.0", { isJson: false })).toBe(`fleetcert ${packageVersion} (node v24.1.0)\n`);
    expect(JSON.parse(versionText("fleetcert", "v24.1.0", { isJson: true }))).toEqual({
      program: "fleetcert",
      version: packageVersion,
      node: "v24.1.0",
    });
  });

  it("is only told when nothing else is asked", () => {
    expect(versionWish(["--version"])).toEqual({ isJson: false });
    expect(versionWish(["--json", "--version"])).toEqual({ isJson: true });
    expect(versionWish(["--version", "-o", "json"])).toEqual({ isJson: true });
    expect(versionWish(["status", "--version"])).toBeUndefined();
    expect(versionWish(["status"])).toBeUndefined();
  });
});
