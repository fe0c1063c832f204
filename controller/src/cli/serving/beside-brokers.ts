import { readFile } from "node:fs/promises";
import { FleetError, type KeyProvider } from "@fleetcert/shared";
import { writeDurably } from "../../adapters/files/write-durably.ts";
import type { FollowingBroker } from "../../adapters/mosquitto/follow-lists.ts";
import { reloadBySignal } from "../../adapters/mosquitto/reload-broker.ts";
import type { Config } from "../../config.ts";
import type { Notices } from "../../ports.ts";
import type { ControllerLog } from "./controller-log.ts";
import { type ExternalBrokers, openExternalBrokers } from "./external-brokers.ts";
import type { Duties } from "./wire-duties.ts";

/**
 * Opens the brokers that take the fleet's certificates for messages of their own. Undefined where there are none. Throws
 * `config-invalid` for one that lets a foreign identity through, and what keeps it from being looked at.
 */
export async function openBesideBrokers(parts: {
  readonly config: Config;
  readonly duties: Duties;
  readonly keys: KeyProvider;
  readonly notices: Notices;
  readonly log: ControllerLog;
}): Promise<ExternalBrokers | undefined> {
  const { externalBrokers } = parts.config;
  if (externalBrokers.length === 0) return undefined;
  const brokers = await openExternalBrokers({
    ...parts,
    takesDevices: false,
    brokers: await Promise.all(externalBrokers.map(followerOf)),
  });
  await brokers.look();
  return brokers;
}

async function followerOf(settings: Config["externalBrokers"][number]): Promise<FollowingBroker> {
  const { name, host, port, caFile, crlFile, pidFile, control } = settings;
  const target = {
    ...{ type: "password" as const, host: "127.0.0.1", port: control.port, username: control.username },
    password: (await readSetting(name, control.passwordFile)).trim(),
  };
  return {
    ...{ name, host, port, crlFile, control: target, kick: target },
    ca: caFile === undefined ? undefined : await readSetting(name, caFile),
    reload: () => reloadBySignal({ name, pidFile }),
    restart: undefined,
    ended: () => undefined,
    // Mosquitto has given up its rights when it reads the lists again, which hold no secret.
    write: (path, text) => writeDurably(path, text, 0o644),
  };
}

async function readSetting(name: string, file: string): Promise<string> {
  return await readFile(file, "utf8").catch((cause: unknown) => {
    throw new FleetError("config-invalid", `external broker ${name}: ${file} cannot be read`, { cause });
  });
}
