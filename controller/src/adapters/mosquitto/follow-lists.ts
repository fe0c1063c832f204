import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { FleetError } from "@fleetcert/shared";
import { openMqttSession, type SessionTarget } from "./mqtt-session.ts";
import type { Identity } from "./probe-broker.ts";

/** A broker that reads revocations from a file at SIGHUP, and lets the controller end sessions. */
export interface FollowingBroker {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly ca: string | undefined;
  readonly crlFile: string;
  readonly pidFile: string;
  readonly control: Extract<SessionTarget, { type: "password" }>;
  /** Writes a file so that a reader finds the old or the new content. */
  readonly write: (path: string, text: string) => Promise<void>;
}

/**
 * Hands a broker new lists and waits until they are in force: the identity that they revoke is refused while the one that
 * they do not is taken. Only then the sessions of devices are ended, or they would be back at once. Resolves with how many
 * milliseconds passed until the lists were in force. Throws `hook-failed`, `offline`, `timeout`.
 */
export async function followLists(
  broker: FollowingBroker,
  news: {
    /** PEM. */
    readonly lists: string;
    /** Undefined when the lists end nothing that we hold; then only the good one is looked at. */
    readonly revoked: Identity | undefined;
    readonly good: Identity;
    readonly kick: readonly string[];
  },
): Promise<number> {
  const startedAt = performance.now();
  await broker.write(broker.crlFile, news.lists);
  await reload(broker);
  await untilInForce(broker, news);
  const inForceAfter = Math.round(performance.now() - startedAt);
  for (const device of news.kick) await kick(broker, device);
  return inForceAfter;
}

async function reload({ name, pidFile }: FollowingBroker): Promise<void> {
  try {
    const pid = Number((await readFile(pidFile, "utf8")).trim());
    if (!Number.isSafeInteger(pid) || pid < 2) throw new Error(`${pidFile} holds no process id`);
    process.kill(pid, "SIGHUP");
  } catch (cause) {
    throw new FleetError("hook-failed", `the external broker ${name} cannot be told to read its lists`, {
      hint: "the controller must run on its host, and may signal its process",
      cause,
    });
  }
}

async function untilInForce(
  broker: FollowingBroker,
  { revoked, good }: { readonly revoked: Identity | undefined; readonly good: Identity },
): Promise<void> {
  const takes = async (identity: Identity): Promise<boolean> => {
    const { host, port, ca } = broker;
    const session = await openMqttSession({ type: "tls", host, port, ca, identity }, "fleetcert-probe");
    session?.end();
    return session !== undefined;
  };
  for (let waitedMs = 0; waitedMs < longestWaitMs; waitedMs += everyMs) {
    const isStillTaken = revoked !== undefined && (await takes(revoked));
    if (!isStillTaken && (await takes(good))) return;
    await sleep(everyMs);
  }
  throw new FleetError("timeout", `the external broker ${broker.name} does not apply its lists`, {
    hint: `does it read ${broker.crlFile} at SIGHUP? Its sessions of revoked devices were not ended`,
    retry: true,
  });
}

/** MQTT 3.1.1 §3.1.4: a broker ends the session that has the client id already. */
async function kick({ control, name }: FollowingBroker, device: string): Promise<void> {
  const session = await openMqttSession(control, device);
  if (session === undefined) {
    throw new FleetError(
      "hook-failed",
      `the external broker ${name} does not let the controller end the session of ${device}`,
    );
  }
  session.end();
}

const everyMs = 100;
const longestWaitMs = 10_000;
