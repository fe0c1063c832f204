import { join } from "node:path";
import { controllerSubscription, parseTopic } from "@fleetcert/proto";
import { type Clock, type KeyProvider, validatePath } from "@fleetcert/shared";
import { openBootstrapBroker, openEmbeddedBroker } from "../../adapters/broker/open-embedded-broker.ts";
import { writeDurably } from "../../adapters/files/write-durably.ts";
import type { FollowingBroker } from "../../adapters/mosquitto/follow-lists.ts";
import { brokerFileNames, kickUser } from "../../adapters/mosquitto/mosquitto-config.ts";
import type { SessionTarget } from "../../adapters/mosquitto/mqtt-session.ts";
import { type ExternalBroker, openExternalBroker } from "../../adapters/mosquitto/open-external-broker.ts";
import { reloadBySignal, runBrokerCommand } from "../../adapters/mosquitto/reload-broker.ts";
import { type Config, durationOf } from "../../config.ts";
import type { Broker, Notices } from "../../ports.ts";
import type { ListenerCredential } from "../../trust/listener-certificates.ts";
import { type BrokerFileParts, type BrokerFiles, keepBrokerFiles } from "./broker-files.ts";
import type { ControllerLog } from "./controller-log.ts";
import { type ExternalBrokers, openExternalBrokers } from "./external-brokers.ts";
import type { Duties } from "./wire-duties.ts";

/** The broker that devices connect to, ours or another's; the bootstrap listener is always ours. */
export interface DeviceBroker {
  readonly broker: Broker;
  readonly endpoints: {
    readonly operational: { readonly host: string; readonly port: number };
    readonly bootstrap: { readonly host: string; readonly port: number };
  };
  /** Follows the lists where it is external. */
  readonly followers: ExternalBrokers | undefined;
  /** Keeps the files that an external one reads. */
  keepFiles(): Promise<void>;
  /** Why it cannot be used now; undefined while it can. */
  trouble(): string | undefined;
}

/** What the broker of the devices is opened with. */
export interface DeviceBrokerParts {
  readonly config: Config;
  /** The data directory. */
  readonly data: string;
  readonly keys: KeyProvider;
  readonly duties: Duties;
  readonly credential: ListenerCredential;
  readonly clock: Clock;
  readonly notices: Notices;
  readonly log: ControllerLog;
}

/**
 * Opens the broker of the configuration. Throws `config-invalid` when an address cannot be listened on or the external broker
 * lets a foreign identity through, `offline`, `hook-failed` or `timeout` when that is not there or does not follow.
 */
export async function openDeviceBroker(parts: DeviceBrokerParts): Promise<DeviceBroker> {
  const { config, duties, credential, clock, log } = parts;
  if (config.broker.kind === "external") return await openWithExternal(parts);
  const { operational, bootstrap } = config.listeners;
  const common = { certificate: credential, events: duties.events, clock, log };
  const broker = await openEmbeddedBroker({ operational, bootstrap, ...common });
  return {
    ...{ broker, endpoints: broker.endpoints, followers: undefined },
    keepFiles: async () => undefined,
    trouble: () => undefined,
  };
}

async function openWithExternal(parts: DeviceBrokerParts): Promise<DeviceBroker> {
  const { config, duties, credential, clock, notices, log } = parts;
  const { host, port, group } = config.broker;
  let files = await keepBrokerFiles(parts);
  const late: { external?: ExternalBroker } = {};
  const ended = (device: string): void => late.external?.ended(device);
  const follower = followerOf(parts, { files: () => files, ended });
  const followers = await openExternalBrokers({
    brokers: [follower],
    takesDevices: true,
    duties,
    keys: parts.keys,
    notices,
    log,
  });
  const external = await openExternalBroker({
    ...{ host, port: config.broker.controlPort, identity: files.control, clientId: files.control.clientId },
    ...{ events: duties.events, clock, notices },
    verifyServer: (chain) => verifyBroker({ host, chain, clock, duties }),
    filter: controllerSubscription(group),
    look: () => followers.look(),
    lookEvery: durationOf(config.broker.lookEvery),
    silentAfter: durationOf(config.reportInterval) * silentReports,
    heardBefore: await heardBefore(duties, clock),
    endSession: (device) => followers.endSession(device),
    async returned() {
      await duties.trust.announce();
      await duties.revocation.announce();
      await duties.outbox.drain();
    },
  });
  late.external = external;
  const bootstrap = await openBootstrapBroker({
    ...{ bootstrap: config.listeners.bootstrap, certificate: credential, events: duties.events, clock, log },
  }).catch(async (error: unknown) => {
    await external.close();
    throw error;
  });
  return {
    broker: joined({ external, bootstrap }),
    endpoints: { operational: { host, port }, bootstrap: bootstrap.endpoint },
    followers,
    async keepFiles() {
      files = await keepBrokerFiles(parts, files);
      if (files.changed === "nothing") return;
      if (files.changed === "told") return await follower.reload();
      if (follower.restart !== undefined) return await follower.restart();
      const details = { directory: files.directory, why: "it reads the certificates of controllers at its start only" };
      notices.raise({ name: "externalBroker.restart-needed", details });
    },
    trouble: () => external.trouble(),
  };
}

/** Devices and when they were last in contact: who was online when this controller stopped mostly still is. */
async function heardBefore({ store }: Duties, clock: Clock): Promise<{ device: string; ago: number }[]> {
  const heard: { device: string; ago: number }[] = [];
  const now = clock.now();
  for (let after = ""; ; ) {
    const devices = await store.transaction((tx) => tx.devices.list({ after, limit: pageLength }));
    for (const { id, state, lastSeenAt } of devices) {
      if (state === "active" && lastSeenAt !== undefined)
        heard.push({ device: id, ago: Math.max(0, now - lastSeenAt) });
    }
    const last = devices.at(-1);
    if (last === undefined || devices.length < pageLength) return heard;
    after = last.id;
  }
}

/** Messages of the bootstrap namespace go to ours, all others to theirs. */
function joined({
  external,
  bootstrap,
}: {
  readonly external: Pick<Broker, "publish" | "dropSessions" | "close">;
  readonly bootstrap: Broker;
}): Broker {
  return {
    async publish(message) {
      const isBootstrap = parseTopic(message.topic)?.type === "bootstrap-down";
      await (isBootstrap ? bootstrap : external).publish(message);
    },
    async dropSessions(device, certificateSha256) {
      const ours = await bootstrap.dropSessions(device, certificateSha256);
      return ours + (await external.dropSessions(device));
    },
    replaceCertificate: (certificate) => bootstrap.replaceCertificate(certificate),
    async close() {
      await external.close();
      await bootstrap.close();
    },
  };
}

/** The broker as one that follows the lists. Its files may be made anew while it does. */
function followerOf(
  { config }: Pick<BrokerFileParts, "config">,
  { files, ended }: { readonly files: () => BrokerFiles; readonly ended: (device: string) => void },
): FollowingBroker {
  const { host, port, controlPort, kickPort, reload, restart } = config.broker;
  const { directory, pidFile, control, kickPassword } = files();
  const name = "devices";
  const target = (): SessionTarget => ({
    ...{ type: "tls", host, port: controlPort, ca: files().roots },
    identity: { key: control.key, cert: control.cert },
  });
  return {
    ...{ name, host, port, ended, crlFile: join(directory, brokerFileNames.lists) },
    get ca() {
      return files().roots;
    },
    get control() {
      return target();
    },
    get kick() {
      if (kickPort === 0) return target();
      return {
        type: "password",
        host: "127.0.0.1",
        port: kickPort,
        username: kickUser,
        password: kickPassword,
      } as const;
    },
    reload: () => (reload.length > 0 ? runBrokerCommand(reload) : reloadBySignal({ name, pidFile })),
    restart: restart.length > 0 ? () => runBrokerCommand(restart) : undefined,
    write: (path, text) => writeDurably(path, text, 0o644),
  };
}

/** The same as an agent asks of it: our path to our root, for the address it is reached at. */
function verifyBroker({
  host,
  chain,
  clock,
  duties,
}: {
  readonly host: string;
  readonly chain: readonly Uint8Array[];
  readonly clock: Clock;
  readonly duties: Duties;
}): void {
  const [leaf = new Uint8Array(), ...intermediates] = chain;
  const { roots, issuers } = duties.trust.current();
  validatePath({
    ...{ leaf, intermediates: [...intermediates, ...issuers], roots, at: clock.now(), purpose: "serverAuth" },
    name: host.includes(":") || /^[0-9.]+$/.test(host) ? { ip: host } : { dns: host },
  });
}

const pageLength = 1000;
/** Reports a device may miss before it counts as gone. */
const silentReports = 2;
