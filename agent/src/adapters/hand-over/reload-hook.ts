import { readFile } from "node:fs/promises";
import { type Duration, FleetError } from "@fleetcert/shared";
import { runCommand } from "./run-command.ts";

/** How a service is told to read its files again; `none` is for services that look by themselves. */
export type ReloadHook =
  | { readonly by: "none" }
  | { readonly by: "command"; readonly command: readonly string[]; readonly timeout: Duration }
  | { readonly by: "systemd"; readonly unit: string; readonly timeout: Duration }
  | { readonly by: "signal"; readonly signal: NodeJS.Signals; readonly pidFile: string };

/** Tells the service. Rejects with `hook-failed` or `timeout`. */
export async function reloadService(hook: ReloadHook, signal: AbortSignal): Promise<void> {
  switch (hook.by) {
    case "none":
      return;
    case "command":
      await runCommand(hook, signal);
      return;
    case "systemd":
      await runCommand({ command: ["systemctl", "reload", hook.unit], timeout: hook.timeout }, signal);
      return;
    case "signal":
      await sendSignal(hook);
  }
}

async function sendSignal({ signal, pidFile }: Extract<ReloadHook, { by: "signal" }>): Promise<void> {
  try {
    const text = (await readFile(pidFile, "utf8")).trim();
    // 0 and negative numbers would reach whole process groups, 1 the machine itself.
    if (!/^[0-9]{1,10}$/.test(text) || Number(text) < 2) throw new Error(`"${text.slice(0, 20)}" is no process id`);
    process.kill(Number(text), signal);
  } catch (cause) {
    throw new FleetError("hook-failed", `${signal} cannot be sent to the process of ${pidFile}`, {
      cause,
      hint: "check that the service runs, and that this agent's user may signal it",
    });
  }
}
