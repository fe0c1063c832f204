import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";
import { makeFolder } from "../adapters/disk/make-folder.ts";
import { outputDirectory } from "../adapters/disk/output-directory.ts";
import { type AgentConfig, type ConfigChanges, type ConfigFile, formatConfig, readConfig } from "../config.ts";

/** Reads the configuration of a data directory, the environment and flags on top. Throws `config-invalid`, `data-directory`. */
export async function loadConfig(
  data: string,
  env: Readonly<Record<string, string | undefined>>,
  flags: ConfigChanges = {},
): Promise<AgentConfig> {
  const name = join(data, configName);
  const text = await readIfThere(name);
  const file = text === undefined ? {} : { file: { name, text } };
  return { ...readConfig({ ...file, env, flags }), data };
}

/** Keeps what an enrolment was told, so that `run` needs no flags. Throws `data-directory`. */
export async function saveConfig({ data, ...config }: AgentConfig): Promise<void> {
  try {
    await makeFolder(data);
  } catch (cause) {
    throw new FleetError("data-directory", `${data} cannot be made`, {
      cause,
      hint: "make the folder it lies in, or choose another with --data",
    });
  }
  await outputDirectory(data).write(configName, formatConfig(config satisfies ConfigFile));
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new FleetError("data-directory", `${path} cannot be read`, { cause, hint: "check who owns it and its mode" });
  }
}

const configName = "config.yaml";
