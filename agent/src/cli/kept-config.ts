import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { outputDirectory } from "../adapters/disk/output-directory.ts";
import type { AgentConfig } from "../config.ts";

/**
 * Reads the configuration as `loadConfig` does, for the process that stays. A bundled agent keeps what it read, complete and
 * checked, in `config.kept.json`, and takes it from there while file, environment and program are the same: what reads YAML
 * would stay in memory for as long as the device runs (0.8 MB). Throws what `loadConfig` throws.
 */
export async function loadKeptConfig(
  data: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<AgentConfig> {
  const load = async (): Promise<AgentConfig> => {
    const { loadConfig } = await import("./load-config.ts");
    return await loadConfig(data, env);
  };
  // The name of a part of the bundle says what is in it and in all it loads; that of a source file does not.
  if (!import.meta.url.endsWith(".mjs")) return await load();
  const text = await read(join(data, "config.yaml"));
  const settings = Object.entries(env).filter(([name]) => name.startsWith("FLEETCERT_AGENT_"));
  const key = createHash("sha256")
    .update(JSON.stringify([import.meta.url, text ?? "", settings.sort()]))
    .digest("hex");
  const kept = parse(await read(join(data, keptName)));
  if (kept?.key === key) return { ...kept.config, data };
  const config = await load();
  // A directory that cannot be written is found out by the agent's state, with a better message.
  await outputDirectory(data)
    .write(keptName, JSON.stringify({ key, config } satisfies Kept))
    .catch(() => undefined);
  return config;
}

interface Kept {
  readonly key: string;
  readonly config: AgentConfig;
}

/** Undefined when it is not there or not readable: then the file it was made of speaks. */
async function read(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch(() => undefined);
}

function parse(text: string | undefined): Kept | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Kept);
  } catch {
    return undefined;
  }
}

const keptName = "config.kept.json";
