import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Secret } from "@fleetcert/shared";
import { afterAll, describe, expect, it } from "vitest";
import { secretFile } from "./secret-file.ts";

const directory = mkdtempSync(join(tmpdir(), "fleetcert-secret-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = (text: string, mode = 0o600): string => {
  const path = join(directory, `${Math.random()}`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

describe("a secret in a file", () => {
  it.each([
    ["1234", "1234"],
    ["1234\n", "1234"],
    ["1234\r\n", "1234"],
    [" with blanks \n\n", " with blanks \n"],
  ])("%j is %j", async (text, secret) => {
    expect((await secretFile(file(text))()).reveal()).toBe(secret);
  });

  it("is read anew each time, so that a corrected file is enough", async () => {
    const path = file("old");
    const source = secretFile(path);
    expect((await source()).reveal()).toBe("old");
    writeFileSync(path, "new");
    expect((await source()).reveal()).toBe("new");
  });

  it.each([
    ["missing", () => join(directory, "absent")],
    ["empty", () => file("\n")],
    ["readable by others", () => file("1234", 0o644)],
    ["longer than 4 KiB", () => file("x".repeat(4097))],
    ["a directory", () => directory],
  ])("is refused when it is %s", (_, path) => {
    const source: () => Secret | Promise<Secret> = secretFile(path());
    expect(() => source()).toThrowError(expect.objectContaining({ code: "config-invalid" }));
  });
});
