import { readFile } from "node:fs/promises";
import { formatTopic } from "@fleetcert/proto";
import { FleetError, pemEncode } from "@fleetcert/shared";
import { writeDurably } from "../adapters/files/write-durably.ts";
import { type FollowingBroker, followLists } from "../adapters/mosquitto/follow-lists.ts";
import { probeBroker } from "../adapters/mosquitto/probe-broker.ts";
import type { Config } from "../config.ts";
import type { Notices } from "../ports.ts";
import type { ListFollowers } from "../revocation/revocation.ts";
import type { ControllerLog } from "./controller-log.ts";
import { foreignIdentity, issueProbe, type ProbeIdentity } from "./probe-identities.ts";
import type { Duties } from "./wire-duties.ts";

/** External brokers that were looked at and follow the lists. */
export interface ExternalBrokers extends ListFollowers {
  /** Hands over an epoch that came without a revocation, and what an earlier try could not. */
  catchUp(): Promise<void>;
}

/**
 * Opens the external brokers of the configuration: hands each the present lists, looks whether it binds identity to
 * certificate, and ends the sessions of devices that are suspended or retired. Throws `config-invalid` for one that lets a
 * foreign identity through, and what keeps it from being looked at.
 */
export async function openExternalBrokers(parts: {
  readonly config: Config;
  readonly duties: Duties;
  readonly notices: Notices;
  readonly log: ControllerLog;
}): Promise<ExternalBrokers | undefined> {
  const { config, duties, notices, log } = parts;
  if (config.externalBrokers.length === 0) return undefined;
  const brokers = await Promise.all(config.externalBrokers.map(openBroker));
  let good = await issueProbe(duties);
  /** The identity that the newest lists revoke, until they are seen to be in force everywhere. */
  let revoked: ProbeIdentity | undefined;
  let handedOver = 0;
  const waiting = new Set(await blockedDevices(duties));

  async function hand(): Promise<void> {
    const { epoch, lists } = await listsInForce(duties);
    const kick = [...waiting];
    for (const broker of brokers) {
      const inForceAfter = await followLists(broker, { lists, revoked, good, kick });
      log.info({ broker: broker.name, epoch, inForceAfter, kicked: kick.length }, "external broker follows");
    }
    for (const device of kick) waiting.delete(device);
    handedOver = epoch;
    revoked = undefined;
  }

  async function tryHand(): Promise<void> {
    await hand().catch((error: unknown) => {
      const details = { error: error instanceof Error ? error.message : String(error), waiting: String(waiting.size) };
      notices.raise({ name: "externalBroker.behind", details });
    });
  }

  await hand();
  const other = await issueProbe(duties);
  for (const broker of brokers) {
    const topics = {
      up: (device: string) => formatTopic({ type: "up", device, kind: "report" }),
      down: (device: string) => formatTopic({ type: "down", device, kind: "received" }),
    };
    await probeBroker({ ...broker, one: good, other, foreign: await foreignIdentity(other.clientId), topics });
  }
  return {
    async beforePublish() {
      const next = await issueProbe(duties).catch(() => undefined);
      if (next === undefined || revoked !== undefined) return;
      await duties.store.transaction((tx) => duties.revocation.endOwn(tx, good.sha256));
      [revoked, good] = [good, next];
    },
    async afterPublish(devices) {
      for (const device of devices) waiting.add(device);
      await tryHand();
    },
    async catchUp() {
      const { epoch } = await listsInForce(duties);
      if (epoch > handedOver || waiting.size > 0) await tryHand();
    },
  };
}

async function openBroker(settings: Config["externalBrokers"][number]): Promise<FollowingBroker> {
  const { name, host, port, caFile, crlFile, pidFile, control } = settings;
  return {
    ...{ name, host, port, crlFile, pidFile },
    ca: caFile === undefined ? undefined : await readSetting(name, caFile),
    control: {
      ...{ type: "password", host: "127.0.0.1", port: control.port, username: control.username },
      password: (await readSetting(name, control.passwordFile)).trim(),
    },
    // Mosquitto has given up its rights when it reads the lists again, which hold no secret.
    write: (path, text) => writeDurably(path, text, 0o644),
  };
}

async function readSetting(name: string, file: string): Promise<string> {
  return await readFile(file, "utf8").catch((cause: unknown) => {
    throw new FleetError("config-invalid", `external broker ${name}: ${file} cannot be read`, { cause });
  });
}

/** Every list that is in force, of the issuer and of the root, as PEM. */
async function listsInForce({
  store,
  revocation,
  trust,
}: Duties): Promise<{ readonly epoch: number; readonly lists: string }> {
  const { issuer } = revocation;
  const found = await store.transaction(async (tx) => {
    const shards = await tx.shards.listOf(issuer);
    const lists = await Promise.all(shards.map(({ shard }) => tx.crls.latest(issuer, shard)));
    return { epoch: (await tx.epochs.latest(issuer))?.epoch ?? 0, lists: lists.filter((list) => list !== undefined) };
  });
  const all = [...found.lists.map(({ der }) => der), ...trust.current().rootLists];
  return { epoch: found.epoch, lists: all.map((der) => pemEncode("X509 CRL", der)).join("") };
}

/** Devices whose sessions an earlier run may not have ended. */
async function blockedDevices({ store }: Duties): Promise<string[]> {
  return await store.transaction(async (tx) => {
    const blocked: string[] = [];
    for (let after = ""; ; ) {
      const page = await tx.devices.list({ after, limit: 1000 });
      blocked.push(...page.filter(({ state }) => state !== "active").map(({ id }) => id));
      const last = page.at(-1);
      if (last === undefined || page.length < 1000) return blocked;
      after = last.id;
    }
  });
}
