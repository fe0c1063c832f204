import { readFile } from "node:fs/promises";
import { formatTopic } from "@fleetcert/proto";
import {
  type Certificate,
  type KeyProvider,
  parseCertificate,
  parseCrl,
  pemDecode,
  pemEncode,
} from "@fleetcert/shared";
import { endSessions, type FollowingBroker, followLists } from "../../adapters/mosquitto/follow-lists.ts";
import { type Identity, probeBroker } from "../../adapters/mosquitto/probe-broker.ts";
import type { Notices } from "../../ports.ts";
import type { ListFollowers } from "../../revocation/revocation.ts";
import type { Transaction } from "../../store-port.ts";
import { Turns } from "../../turns.ts";
import type { ControllerLog } from "./controller-log.ts";
import { foreignIdentity, issueProbe, type ProbeIdentity, refusedProbe } from "./probe-identities.ts";
import type { Duties } from "./wire-duties.ts";

/** External brokers that were looked at and follow the lists. */
export interface ExternalBrokers extends ListFollowers {
  /** Hands over an epoch that came without a revocation, and what an earlier try could not. */
  catchUp(): Promise<void>;
  /**
   * Looks again whether each binds identity to certificate. Throws `config-invalid` for one that lets a foreign identity
   * through, `offline`.
   */
  look(): Promise<void>;
  /** Ends the session of a device: at once, or when the lists are in force of an epoch that is being published. */
  endSession(device: string): void;
}

/**
 * Opens external brokers: hands each the present lists, and ends the sessions of devices that are suspended or retired. Whoever
 * relies on one looks at it first. Throws `hook-failed`, `offline`, `timeout` when one does not follow, `config-invalid`.
 */
export async function openExternalBrokers(parts: {
  readonly brokers: readonly FollowingBroker[];
  readonly takesDevices: boolean;
  readonly duties: Duties;
  readonly keys: KeyProvider;
  readonly notices: Notices;
  readonly log: ControllerLog;
}): Promise<ExternalBrokers> {
  const { brokers, duties, keys, notices, log } = parts;
  /** A list that comes into force while a broker is looked at would make it seem to refuse the good. */
  const turns = new Turns({ maxWaiting: 64 });
  let good = await issueProbe(duties);
  let other = await issueProbe(duties);
  /** The identity that the newest lists revoke, until they are seen to be in force everywhere. */
  let revoked: ProbeIdentity | undefined;
  /** An identity that every list revokes. */
  let refused: { readonly identity: Identity; readonly issuer: string; readonly foundAt: number } | undefined;
  /** Which epochs it was that were handed over. */
  let handedOver = "";
  const waiting = new Set(await blockedDevices(duties));
  /** Distrusted CAs of which no broker has a list any more. */
  const forgotten = new Set<string>();
  /** Those whose sessions end without a list that says so. */
  const leaving = new Set<string>();
  let leave: NodeJS.Timeout | undefined;

  /** To open its key takes a tenth of a second, in which nobody is refused. */
  async function stillRefused(): Promise<Identity> {
    const issuer = duties.issuers.present().id;
    if (refused?.issuer === issuer && Date.now() - refused.foundAt < lookUpAfter) return refused.identity;
    refused = { identity: await refusedProbe({ duties, keys }), issuer, foundAt: Date.now() };
    return refused.identity;
  }

  async function hand(): Promise<void> {
    const always = await stillRefused();
    const ended = revoked === undefined ? [always] : [always, revoked];
    const { epochs, lists } = await listsInForce(duties);
    const kick = [...waiting];
    const distrusted = [...duties.trust.distrusted().keys()].filter((id) => !forgotten.has(id));
    const names = distrusted.map((id) => parseCertificate(duties.issuers.require(id).certificate).subject);
    for (const broker of brokers) {
      const mustForget = names.length > 0 && (await holdsListOf(broker.crlFile, names));
      const inForceAfter = await followLists(broker, { lists, revoked: ended, good, kick, mustForget });
      if (mustForget && broker.restart === undefined) {
        const why = "it remembers the lists of a distrusted CA, and takes its certificates, until it is started again";
        notices.raise({ name: "externalBroker.restart-needed", details: { broker: broker.name, why } });
      }
      log.info({ broker: broker.name, epochs, inForceAfter, kicked: kick.length }, "external broker follows");
    }
    for (const id of distrusted) forgotten.add(id);
    for (const device of kick) waiting.delete(device);
    handedOver = epochs;
    revoked = undefined;
  }

  async function tryHand(): Promise<void> {
    await turns.take("lists", hand).catch((error: unknown) => {
      const details = { error: error instanceof Error ? error.message : String(error), waiting: String(waiting.size) };
      notices.raise({ name: "externalBroker.behind", details });
    });
  }

  async function endLeaving(): Promise<void> {
    const devices = [...leaving];
    leaving.clear();
    try {
      for (const broker of brokers) await endSessions(broker, devices);
    } catch {
      // Told and tried again with the lists.
      for (const device of devices) waiting.add(device);
    }
  }

  async function look(): Promise<void> {
    if (Date.now() - good.issuedAt > renewProbeAfter)
      [good, other] = [await issueProbe(duties), await issueProbe(duties)];
    const topics = {
      up: (device: string) => formatTopic({ type: "up", device, kind: "report" }),
      down: (device: string) => formatTopic({ type: "down", device, kind: "received" }),
    };
    const foreign = await foreignIdentity(other.clientId);
    for (const broker of brokers) await probeBroker({ ...broker, one: good, other, foreign, topics });
  }

  await hand().catch(async (error: unknown) => {
    // What it lets through may be why.
    await look();
    throw error;
  });
  return {
    takesDevices: parts.takesDevices,
    look: () => turns.take("lists", look),
    endSession(device) {
      leaving.add(device);
      clearTimeout(leave);
      leave = setTimeout(() => void endLeaving(), gatherForMs).unref();
    },
    async beforePublish() {
      // Ended before the lists are in force they would be back at once.
      clearTimeout(leave);
      for (const device of leaving) waiting.add(device);
      leaving.clear();
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
      // Every few seconds: the lists themselves may have megabytes.
      const epochs = await epochsInForce(duties);
      if (epochs !== handedOver || waiting.size > 0) await tryHand();
    },
  };
}

/** Several groups of external brokers as one. */
export function allFollowers(groups: readonly (ExternalBrokers | undefined)[]): ExternalBrokers | undefined {
  const all = groups.filter((group) => group !== undefined);
  const [first] = all;
  if (first === undefined || all.length === 1) return first;
  const each = (act: (group: ExternalBrokers) => Promise<void>): Promise<void> =>
    Promise.all(all.map(act)).then(() => undefined);
  return {
    takesDevices: all.some((group) => group.takesDevices),
    beforePublish: () => each((group) => group.beforePublish()),
    afterPublish: (devices) => each((group) => group.afterPublish(devices)),
    catchUp: () => each((group) => group.catchUp()),
    look: () => each((group) => group.look()),
    endSession(device) {
      for (const group of all) group.endSession(device);
    },
  };
}

type ListSources = Pick<Duties, "store" | "issuers" | "trust">;

/** Which epochs {@link listsInForce} would give the lists of. */
async function epochsInForce(duties: ListSources): Promise<string> {
  return await duties.store.transaction((tx) => epochsOf(tx, duties));
}

/** With the bundle's version, whose roots' lists are handed over too. */
async function epochsOf(tx: Transaction, duties: ListSources): Promise<string> {
  const { era, version } = duties.trust.current();
  const epochs: number[] = [];
  for (const { id } of listedIssuers(duties)) epochs.push((await tx.epochs.latest(id))?.epoch ?? 0);
  return [`${era}.${version}`, ...epochs].join();
}

/** Every list that is in force, of every issuer whose certificates may be in use and of the root, as PEM. */
export async function listsInForce(duties: ListSources): Promise<{ readonly epochs: string; readonly lists: string }> {
  const found = await duties.store.transaction(async (tx) => {
    const lists: Uint8Array[] = [];
    for (const { id } of listedIssuers(duties)) {
      for (const { shard } of await tx.shards.listOf(id)) {
        const list = await tx.crls.latest(id, shard);
        if (list !== undefined) lists.push(list.der);
      }
    }
    return { epochs: await epochsOf(tx, duties), lists };
  });
  const all = [...found.lists, ...duties.trust.current().rootLists];
  return { epochs: found.epochs, lists: all.map((der) => pemEncode("X509 CRL", der)).join("") };
}

/** Mosquitto looks at the list of the last certificate alone: without one it refuses all that a distrusted CA has signed. */
function listedIssuers({ issuers, trust }: ListSources) {
  return issuers.all().filter(({ id }) => !trust.distrusted().has(id));
}

/** Whether a file has lists of one of these CAs; one that is not there has none. */
async function holdsListOf(file: string, names: readonly Certificate["subject"][]): Promise<boolean> {
  const text = await readFile(file, "utf8").catch(() => "");
  return pemDecode(text, "X509 CRL").some((der) => names.some((name) => parseCrl(der).issuer.equals(name)));
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

/** So that many that leave together leave with one list, if one comes. */
const gatherForMs = 50;
/** A refused identity is made anew five days before it ends. */
const lookUpAfter = 86_400_000;
/** Half of a probe's life. */
const renewProbeAfter = 15 * 86_400_000;
