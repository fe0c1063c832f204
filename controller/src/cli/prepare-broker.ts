import { join } from "node:path";
import { FleetError } from "@fleetcert/shared";
import { openAnchorFile } from "../adapters/files/anchor-file.ts";
import { openDataDirectory, readText } from "../adapters/files/data-directory.ts";
import { readEndorsements } from "../adapters/files/endorsements.ts";
import { openListArchive } from "../adapters/files/list-archive.ts";
import { readBundles, writeBundle } from "../adapters/files/pki-files.ts";
import { writeDurably } from "../adapters/files/write-durably.ts";
import { brokerFileNames, mosquittoFiles } from "../adapters/mosquitto/mosquitto-config.ts";
import { openSqliteStore } from "../adapters/store/sqlite/open-store.ts";
import { systemClock, systemRandom } from "../adapters/system/system-surroundings.ts";
import { parseConfig, parseProfiles } from "../config.ts";
import { keepBrokerFiles } from "./serving/broker-files.ts";
import { crlBaseOf } from "./serving/crl-base.ts";
import { listsInForce } from "./serving/external-brokers.ts";
import { followCrlBase } from "./serving/follow-crl-base.ts";
import { openKeys } from "./serving/open-keys.ts";
import { wireDuties } from "./serving/wire-duties.ts";

/** Where everything lies that an external broker is started with. */
export interface PreparedBroker {
  readonly directory: string;
  /** The configuration it is started with. */
  readonly configuration: string;
  readonly files: readonly string[];
}

/**
 * Writes all that an external broker needs before a controller serves over it: configuration and ACLs, its certificate, the
 * lists. The store's lock keeps a running controller out. Throws `config-invalid` when the configuration names no external
 * broker, `conflict` while a controller runs, `data-directory`.
 */
export async function prepareBroker({
  data,
  persistence,
}: {
  readonly data: string;
  readonly persistence: string;
}): Promise<PreparedBroker> {
  const paths = await openDataDirectory(data);
  const config = parseConfig(await readText(paths.config), paths.config);
  if (config.broker.kind !== "external") {
    throw new FleetError("config-invalid", `${paths.config}: broker.kind is ${config.broker.kind}`, {
      hint: "say broker: { kind: external } first, with its host and ports",
    });
  }
  const closers: (() => Promise<void>)[] = [];
  try {
    const store = await openSqliteStore({ path: paths.store, create: "never" });
    closers.push(() => store.close());
    const { keys, authority } = await openKeys(paths, config.keys);
    closers.push(() => keys.close());
    const crlBase = crlBaseOf(config, config.listeners.http.port);
    const duties = await wireDuties({
      ...{ config, store, keys, authority },
      profiles: parseProfiles(await readText(paths.profiles), paths.profiles),
      endorsements: await readEndorsements(paths.root, config.attestation),
      surroundings: {
        clock: systemClock,
        random: systemRandom,
        notices: { raise: () => undefined },
        failpoint: async () => undefined,
      },
      anchor: await openAnchorFile(paths.anchor),
      archive: openListArchive(paths.crl),
      bundles: await readBundles(paths),
      saveBundle: (version, envelope) => writeBundle(paths, version, envelope),
      broker: () => undefined,
      crlBase,
      coverageGrew: () => undefined,
    });
    await duties.issuance.recover();
    await duties.revocation.recover();
    const { directory, pidFile } = await keepBrokerFiles({ config, data: paths.root, keys, duties });
    await duties.revocation.publishIfDue({ isStarting: true });
    await followCrlBase(duties, crlBase);
    const { lists } = await listsInForce(duties);
    const { port, controlPort, kickPort } = config.broker;
    const settings = { directory, port, controlPort, kickPort, pidFile, persistence };
    const texts = { ...mosquittoFiles(settings), [brokerFileNames.lists]: lists };
    for (const [name, text] of Object.entries(texts)) await writeDurably(join(directory, name), text, 0o644);
    const names = [...Object.keys(texts), ...Object.values(brokerFileNames)];
    const files = [...new Set(names)].sort().map((name) => join(directory, name));
    return { directory, configuration: join(directory, "mosquitto.conf"), files };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
