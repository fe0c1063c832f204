import { resolve } from "node:path";
import { FleetError } from "@fleetcert/shared";
import { openFileSets } from "../adapters/hand-over/file-sets.ts";
import { openListOutput } from "../adapters/hand-over/list-output.ts";
import { type ReloadHook, reloadService } from "../adapters/hand-over/reload-hook.ts";
import type { SetOutput } from "../adapters/hand-over/render-output.ts";
import { runCommand } from "../adapters/hand-over/run-command.ts";
import { probeTls } from "../adapters/tls-probe/probe-tls.ts";
import type { AgentConfig } from "../config.ts";
import { durationOf } from "../config-values.ts";
import type { Service } from "../deployment/service-actions.ts";
import type { ListOutput } from "../ports.ts";
import type { ServiceSlot } from "./agent-parts.ts";
import { keyStoreName } from "./key-stores.ts";

type SlotConfig = AgentConfig["slots"][number];

/** The service slots of a configuration. Throws `config-invalid` for what contradicts itself. */
export function openServices(config: AgentConfig): ServiceSlot[] {
  const names = config.slots.map(({ name }) => name);
  const twice = names.find((name, index) => name === "identity" || names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`slots: "${twice}" is declared twice, or is the identity itself`);
  return config.slots.map((slot) => {
    const keys = slot.keys ?? config.keys;
    return {
      slot: slot.name,
      profile: slot.profile,
      home: keyStoreName(keys),
      files: openFileSets({ directory: folderOf(config, slot), outputs: setOutputsOf(config, slot) }),
      service: serviceOf(slot),
      serverName: slot.verify?.serverName ?? "",
      settleWithin: durationOf(slot.verify?.settleWithin ?? "10s"),
    };
  });
}

/** Revocation lists that slots hand to their services, beside the sets, for they change at a pace of their own. */
export function listOutputsOf(config: AgentConfig): ListOutput[] {
  return config.slots.flatMap((slot) => {
    const hook = hookOf(slot);
    return slot.outputs
      .filter(({ kind }) => kind === "crl")
      .map(({ file }) => ({
        ...openListOutput({ file: resolve(folderOf(config, slot), file), include: [] }),
        reload: (signal: AbortSignal) => reloadService(hook, signal),
      }));
  });
}

function setOutputsOf(config: AgentConfig, slot: SlotConfig): SetOutput[] {
  const { provider } = slot.keys ?? config.keys;
  const seen = new Set<string>();
  return slot.outputs.flatMap(({ kind, file, mode, passphraseFile, ...owner }) => {
    if (kind === "crl") return [];
    const isSecret = kind === "key" || kind === "pkcs12";
    if (isSecret && provider !== "software") {
      throw invalid(`slots: ${slot.name}: ${kind} needs software keys, a key of ${provider} never leaves it`);
    }
    if (kind === "pkcs12" && passphraseFile === "") throw invalid(`slots: ${slot.name}: pkcs12 needs a passphraseFile`);
    const name = file.split("/").at(-1) ?? "";
    if (name === "" || name === "." || name === ".." || seen.has(name)) {
      throw invalid(`slots: ${slot.name}: "${file}" names no file, or one like another`);
    }
    seen.add(name);
    const bits = mode === "" ? (isSecret ? 0o600 : 0o644) : Number.parseInt(mode, 8);
    return [{ kind, ...owner, file: resolve(folderOf(config, slot), file), mode: bits, passphraseFile }];
  });
}

function serviceOf(slot: SlotConfig): Service {
  const hook = hookOf(slot);
  const probe = probeOf(slot);
  return { reload: (signal) => reloadService(hook, signal), probe };
}

function probeOf({ name, verify }: SlotConfig): Service["probe"] {
  const { command, port } = verify ?? {};
  if (verify === undefined) return async () => undefined;
  const timeout = durationOf(verify.timeout);
  if (command !== undefined) {
    return async ({ sha256 }, signal) => {
      const env = { FLEETCERT_CERTIFICATE_SHA256: sha256, FLEETCERT_SLOT: name };
      await runCommand({ command, timeout, env }, signal);
      return undefined;
    };
  }
  if (port === undefined) throw invalid(`slots: ${name}: verify needs a port or a command`);
  const { host, serverName, startTls } = verify;
  return (_, signal) => probeTls({ host, port, serverName, startTls, timeout }, signal);
}

function hookOf({ name, reload }: SlotConfig): ReloadHook {
  if (reload === undefined) return { by: "none" };
  const { command, systemd, signal, pidFile } = reload;
  const timeout = durationOf(reload.timeout);
  const ways = [command, systemd, signal].filter((way) => way !== undefined);
  if (ways.length !== 1) throw invalid(`slots: ${name}: reload is one of command, systemd and signal`);
  if (command !== undefined) return { by: "command", command, timeout };
  if (systemd !== undefined) return { by: "systemd", unit: systemd, timeout };
  if (signal === undefined || pidFile === "") throw invalid(`slots: ${name}: a signal needs a pidFile`);
  return { by: "signal", signal, pidFile };
}

function folderOf({ data }: AgentConfig, { name, directory }: SlotConfig): string {
  return directory === "" ? resolve(data, "slots", name) : resolve(data, directory);
}

const invalid = (message: string): FleetError =>
  new FleetError("config-invalid", message, { hint: "compare it with docs/reference/agent-config.md" });
