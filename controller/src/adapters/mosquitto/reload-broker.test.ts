import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { reloadBySignal, runBrokerCommand } from "./reload-broker.ts";

describe("telling a broker to read its files again", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fleetcert-reload-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("sends SIGHUP to the process of its file", async () => {
    const pidFile = join(folder, "pid");
    const broker = spawn("sleep", ["60"]);
    await writeFile(pidFile, `${broker.pid}\n`);
    const ended = once(broker, "exit");
    await reloadBySignal({ name: "devices", pidFile });
    expect(await ended).toEqual([null, "SIGHUP"]);
  });

  it.each(["", "0", "1", "-1", "mosquitto"])("sends it to nobody when the file holds %j", async (text) => {
    const pidFile = join(folder, "wrong");
    await writeFile(pidFile, text);
    const reload = reloadBySignal({ name: "devices", pidFile });
    await expect(reload).rejects.toMatchObject({ code: "hook-failed", hint: expect.stringContaining("broker.reload") });
  });

  it("runs a command without a shell, and says how it failed", async () => {
    await runBrokerCommand(["test", "$HOME", "=", "$HOME"]);
    await expect(runBrokerCommand(["false"])).rejects.toMatchObject({ code: "hook-failed" });
    await expect(runBrokerCommand(["no-such-program-of-ours"])).rejects.toMatchObject({ code: "hook-failed" });
  });
});
