import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initialiseToken } from "@fleetcert/hw";
import { Secret } from "@fleetcert/shared";
import { afterAll, expect, it } from "vitest";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([softHsmPart, tlsAddonPart], "a process that uses a token key", () => {
  const hsm = startSoftHsm();
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-secrets-"));
  const pin = "PIN-4711-zebra";
  const pinFile = join(directory, "pin");
  afterAll(() => {
    hsm.remove();
    rmSync(directory, { recursive: true });
  });

  it("has no PIN and no private key in its arguments, environment, output or files", async () => {
    const label = "secrets";
    const soPin = Secret.of("SO-0815-giraffe");
    initialiseToken({ modulePath: hsm.modulePath, label, soPin, userPin: Secret.of(pin) });
    writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
    const program = join(import.meta.dirname, "../../support/keys/key-user.ts");
    const child = spawn(process.execPath, [program, hsm.modulePath, label, pinFile], {
      env: { ...process.env, ...hsm.env, TMPDIR: directory, NODE_DEBUG: "tls" },
      cwd: directory,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const output = collectOutput(child);
    await output.until("ready");
    const seen = [
      readFileSync(`/proc/${child.pid}/cmdline`, "latin1"),
      readFileSync(`/proc/${child.pid}/environ`, "latin1"),
      readFileSync("/proc/self/cmdline", "latin1"),
    ];
    child.stdin?.end();
    await output.until("closed");
    seen.push(output.text(), ...textsIn(directory, "pin"), ...textsIn(hsm.directory));
    expect(seen.length).toBeGreaterThan(6);
    for (const text of seen) {
      for (const secret of [pin, soPin.reveal(), "PRIVATE KEY-----"]) expect(text).not.toContain(secret);
    }
  });
});

function collectOutput(child: ChildProcess): { until(word: string): Promise<void>; text(): string } {
  let text = "";
  const listeners = new Set<() => void>();
  const note = (chunk: unknown): void => {
    text += String(chunk);
    for (const listener of listeners) listener();
  };
  child.stdout?.on("data", note);
  child.stderr?.on("data", note);
  return {
    text: () => text,
    until: (word) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (text.includes(word)) resolve();
        };
        listeners.add(look);
        child.once("exit", (code) => reject(new Error(`ended with ${code} before "${word}":\n${text}`)));
        look();
      }),
  };
}

/** Every file below a directory, except the one named. */
function textsIn(directory: string, except?: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== except)
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
}
