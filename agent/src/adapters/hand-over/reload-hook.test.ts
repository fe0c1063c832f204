import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { reloadService } from "./reload-hook.ts";

const { signal } = new AbortController();
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fc-hook-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe("telling a service to read its files", () => {
  it("runs a command with exactly its arguments, and no shell", async () => {
    const file = join(directory, "said");
    const script = 'require("fs").writeFileSync(process.argv[1], process.argv[2])';
    await reloadService(
      { by: "command", command: [process.execPath, "-e", script, file, "$(id) ; *"], timeout: 10_000 },
      signal,
    );
    expect(await readFile(file, "utf8")).toBe("$(id) ; *");
  });

  it("says how a command ended, and kills one that takes too long", async () => {
    const failing = { by: "command", command: ["sh", "-c", "echo broken >&2; exit 3"], timeout: 10_000 } as const;
    await expect(reloadService(failing, signal)).rejects.toMatchObject({ code: "hook-failed", message: /3: broken/ });
    const slow = { by: "command", command: ["sleep", "60"], timeout: 50 } as const;
    await expect(reloadService(slow, signal)).rejects.toMatchObject({ code: "timeout" });
  });

  it("sends the signal to the process of the file", async () => {
    const script = 'process.on("SIGHUP", () => process.exit(7)); console.log("up"); setInterval(() => {}, 1000)';
    const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] });
    await once(child.stdout, "data");
    const pidFile = join(directory, "pid");
    await writeFile(pidFile, `${child.pid}\n`);
    await reloadService({ by: "signal", signal: "SIGHUP", pidFile }, signal);
    expect((await once(child, "exit"))[0]).toBe(7);
    await expect(reloadService({ by: "signal", signal: "SIGHUP", pidFile }, signal)).rejects.toMatchObject({
      code: "hook-failed",
    });
  });

  it.each(["", "0", "-1", "1", "12x", "gone"])("never sends one to the process %j", async (text) => {
    const pidFile = join(directory, "wrong-pid");
    await writeFile(pidFile, text);
    const sent = reloadService({ by: "signal", signal: "SIGHUP", pidFile }, signal);
    await expect(sent).rejects.toMatchObject({ code: "hook-failed" });
  });

  it("reloads a unit by systemctl, which a machine without systemd does not have running", async () => {
    const reload = reloadService({ by: "systemd", unit: "no-such-unit.service", timeout: 10_000 }, signal);
    await expect(reload).rejects.toMatchObject({ code: "hook-failed" });
  });
});
