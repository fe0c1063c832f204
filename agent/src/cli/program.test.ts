import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runAgentCommand } from "../../../test/support/agent/agent-command.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fleetcert-cli-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const run = (...args: string[]) => runAgentCommand(join(directory, "data"), args);

describe("fleetcert-agent", () => {
  it("helps, and says what it does not know", async () => {
    expect(await run("--help")).toMatchObject({ code: 0, stdout: expect.stringContaining("enrol"), stderr: "" });
    expect(await run("enroll")).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("enrol") });
  });

  it("tells a wrong command line as every other error", async () => {
    expect((await run("crl", "check")).stderr).toMatch(
      /^✖ The command line is wrong\n {2}why {3}missing required argument 'serial'\n {2}fix .*--help\n {2}code {2}usage\n$/,
    );
    expect(JSON.parse((await run("status", "--bogus", "--json")).stderr)).toMatchObject({ error: { code: "usage" } });
  });

  it.each([["status"], ["crl", "show"], ["crl", "check", "01"]])(
    "says that nobody has enrolled: %s",
    async (...args) => {
      const { code, stderr, stdout } = await run(...args);
      expect(code).toBe(5);
      expect(stdout).toBe("");
      expect(stderr).toContain("no device has enrolled");
      expect(stderr).toContain("fix   fleetcert-agent enrol");
      expect(stderr).toContain("code  not-found");
    },
  );

  it.each(["list", "test", "delete"])(
    "has no keys to %s before anybody enrolled, and makes no folder for them",
    async (what) => {
      expect(await run("keys", what)).toMatchObject({
        code: 5,
        stderr: expect.stringContaining("there are no keys in"),
      });
      await expect(access(join(directory, "data"))).rejects.toThrow();
    },
  );

  it("tells errors as JSON to programs", async () => {
    const { stderr } = await run("renew", "--json");
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "offline", hint: expect.stringContaining("fleetcert-agent run") },
    });
  });

  it.each([
    [["--controller", "a:b:c"], "usage", 2],
    [["--controller", "localhost:99999"], "usage", 2],
    [["--root-fingerprint", "abc"], "usage", 2],
    [["--controller", "localhost"], "claim-invalid", 4],
    [[], "config-invalid", 3],
    [["--controller", "localhost", "--device-id", "Pump 1"], "config-invalid", 3],
    [["--controller", "localhost", "--claim-file", "/nonexistent"], "config-invalid", 3],
    [["--controller", "localhost", "--keys", "pkcs11", "--claim-file", "CLAIM"], "config-invalid", 3],
  ])("refuses to enrol with %j: %s", async (args, code, exit) => {
    const claim = join(directory, "claim");
    await writeFile(claim, `fc1.claim0001.${"A".repeat(22)}.${"ab".repeat(32)}.plant-7\n`);
    const given = args.map((arg) => (arg === "CLAIM" ? claim : arg));
    const ended = await run("enrol", "--json", ...given);
    expect({ exit: ended.code, ...(JSON.parse(ended.stderr) as object) }).toMatchObject({ exit, error: { code } });
  });

  it("refuses a fingerprint that is not the claim's, before anything is sent or kept", async () => {
    const claim = join(directory, "claim");
    await writeFile(claim, `fc1.claim0001.${"A".repeat(22)}.${"ab".repeat(32)}.plant-7\n`);
    const args = ["--controller", "localhost", "--claim-file", claim, "--device-id", "pump-1"];
    const { code, stderr } = await run("enrol", ...args, "--root-fingerprint", `SHA256:${"CD:".repeat(31)}CD`);
    expect(code).toBe(3);
    expect(stderr).toMatch(/rootFingerprint is (cd){32}, but the claim.* names (ab){32}/);
    expect(await run("status")).toMatchObject({ code: 5 });
  });

  it("never shows the claim's secret", async () => {
    const claim = join(directory, "claim");
    const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ";
    await writeFile(claim, `fc1.claim0001.${secret}.${"ab".repeat(32)}.plant-7\n`);
    const args = ["--controller", "localhost:1", "--claim-file", claim, "--device-id", "pump-1", "--timeout", "200ms"];
    const { code, stderr, stdout } = await run("enrol", "-v", ...args);
    expect(code).toBe(8);
    expect(stdout + stderr).not.toContain(secret);
  });

  it("has a doctor that says what is wrong, and makes nothing", async () => {
    const { code, stdout } = await run("doctor", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual([expect.objectContaining({ check: "data directory", isOk: false })]);
    expect(JSON.parse((await run("doctor", "-o", "jsonl")).stdout)).toMatchObject({ isOk: false });
    const [heads, row] = (await run("doctor", "-o", "csv")).stdout.split("\r\n");
    expect(heads).toBe("ok,check,finding,fix");
    expect(row).toMatch(/^✖,data directory,/);
  });
});
