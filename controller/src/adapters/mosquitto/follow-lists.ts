import { setTimeout as sleep } from "node:timers/promises";
import { FleetError, isFleetError } from "@fleetcert/shared";
import { openMqttSession, type SessionTarget } from "./mqtt-session.ts";
import type { Identity } from "./probe-broker.ts";

/** A broker that reads revocations from a file when it is told, and lets the controller end sessions. */
export interface FollowingBroker {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly ca: string | undefined;
  readonly crlFile: string;
  /** Has it read its files again; throws `hook-failed`. */
  readonly reload: () => Promise<void>;
  /** Where the controller may publish and read everything. */
  readonly control: SessionTarget;
  /** Where the controller may take any client id. */
  readonly kick: SessionTarget;
  /** Ends every session of everybody, where one cannot be ended otherwise. */
  readonly restart: (() => Promise<void>) | undefined;
  /** Told of each device whose session was ended. */
  readonly ended: (device: string) => void;
  /** Writes a file so that a reader finds the old or the new content. */
  readonly write: (path: string, text: string) => Promise<void>;
}

/** What is handed to a broker. */
export interface ListNews {
  /** PEM. */
  readonly lists: string;
  /** Identities that we hold and the lists end. */
  readonly revoked: readonly Identity[];
  readonly good: Identity;
  /** Devices whose sessions are to end. */
  readonly kick: readonly string[];
  /** Lists have left that must not be remembered: Mosquitto only ever adds what it reads again (measured with 2.0). */
  readonly mustForget?: boolean;
}

/**
 * Hands a broker new lists and waits until they are in force: the identity that they revoke is refused while the one that
 * they do not is taken. Only then the sessions of devices are ended, or they would be back at once. Resolves with how many
 * milliseconds passed until the lists were in force. Throws `hook-failed`, `offline`, `timeout`.
 */
export async function followLists(broker: FollowingBroker, news: ListNews): Promise<number> {
  const startedAt = performance.now();
  await broker.write(broker.crlFile, news.lists);
  const isRestarted = news.mustForget === true && broker.restart !== undefined;
  await (isRestarted ? broker.restart?.() : broker.reload());
  await untilInForce(broker, news, { mayBeAway: isRestarted });
  const inForceAfter = Math.round(performance.now() - startedAt);
  await endSessions(broker, news.kick).catch(async (error: unknown) => {
    if (broker.restart === undefined || !isFleetError(error, "hook-failed")) throw error;
    await broker.restart();
    await untilInForce(broker, news, { mayBeAway: true });
  });
  return inForceAfter;
}

/**
 * Ends sessions by taking their client ids (MQTT 3.1.1 §3.1.4: a broker ends the session that has the id already). Throws
 * `hook-failed` when the broker does not allow that, `offline`.
 */
export async function endSessions(
  { kick, name, ended }: Pick<FollowingBroker, "kick" | "name" | "ended">,
  devices: readonly string[],
): Promise<void> {
  const left = devices.values();
  const work = async (): Promise<void> => {
    for (const device of left) {
      const session = await openMqttSession(kick, device);
      if (session === undefined) throw notAllowed(name, device);
      session.end();
      ended(device);
    }
  };
  await Promise.all(Array.from({ length: Math.min(kicksAtOnce, devices.length) }, work));
}

const notAllowed = (name: string, device: string): FleetError =>
  new FleetError("hook-failed", `the external broker ${name} does not let the controller end the session of ${device}`);

async function untilInForce(
  broker: FollowingBroker,
  { revoked, good }: Pick<ListNews, "revoked" | "good">,
  { mayBeAway }: { readonly mayBeAway: boolean },
): Promise<void> {
  const takes = async (identity: Identity): Promise<boolean> => {
    const known = tickets.get(identity);
    // A broker that resumes TLS sessions may take the one that the certificate was good in.
    return (known !== undefined && (await comesIn(identity, known))) || (await comesIn(identity));
  };
  const comesIn = async (identity: Identity, ticket?: Buffer): Promise<boolean> => {
    const { host, port, ca } = broker;
    const target = { type: "tls", host, port, ca, identity, ticket } as const;
    const session = await openMqttSession(target, "fleetcert-probe").catch((error: unknown) => {
      if (mayBeAway && isFleetError(error, "offline")) return undefined;
      throw error;
    });
    if (session?.ticket() !== undefined) tickets.set(identity, session.ticket() as Buffer);
    session?.end();
    return session !== undefined;
  };
  const takesAny = async (identities: readonly Identity[]): Promise<boolean> => {
    for (const identity of identities) if (await takes(identity)) return true;
    return false;
  };
  const end = performance.now() + longestWaitMs;
  while (performance.now() < end) {
    if (!(await takesAny(revoked)) && (await takes(good))) return;
    await sleep(everyMs);
  }
  throw new FleetError("timeout", `the external broker ${broker.name} does not apply its lists`, {
    hint: `does it read ${broker.crlFile} when it is told? Its sessions of revoked devices were not ended`,
    retry: true,
  });
}

/** TLS session tickets of the identities a broker was looked at with. */
const tickets = new WeakMap<Identity, Buffer>();

const everyMs = 20;
const longestWaitMs = 5_000;
const kicksAtOnce = 16;
