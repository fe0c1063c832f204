import { setTimeout as sleep } from "node:timers/promises";
import { parseTopic } from "@fleetcert/proto";
import { type Clock, type Duration, type FleetError, isFleetError } from "@fleetcert/shared";
import type { Broker, BrokerEvents, Notices, PeerIdentity } from "../../ports.ts";
import { type BrokerLink, type LinkOptions, type OutgoingMessage, openBrokerLink } from "./broker-link.ts";
import type { ReceivedPublish } from "./mqtt-packets.ts";
import { Presence } from "./presence.ts";
import { WaitingRetained } from "./waiting-retained.ts";

/** What an external broker is used with as the one that devices connect to. */
export interface ExternalBrokerOptions extends Omit<LinkOptions, "receive"> {
  /** What the devices say, by a shared subscription where several controllers share the work. */
  readonly filter: string;
  readonly events: Pick<BrokerEvents, "receive" | "sessionChanged">;
  readonly clock: Clock;
  readonly notices: Notices;
  /** Looks whether the broker binds identity to certificate; throws `config-invalid` when it does not, `offline`. */
  readonly look: () => Promise<void>;
  readonly lookEvery: Duration;
  /** The broker is back after it was away: says again what brokers forget. */
  readonly returned: () => Promise<void>;
  /** Ends the live session of a device, soon; must not throw. */
  readonly endSession: (device: string) => void;
  /** After so much silence a device counts as gone. */
  readonly silentAfter: Duration;
  /** Devices that were heard in an earlier run, and how long ago. */
  readonly heardBefore: readonly { readonly device: string; readonly ago: Duration }[];
}

/** An external broker as the one that devices connect to. */
export interface ExternalBroker extends Pick<Broker, "publish" | "dropSessions" | "close"> {
  /** The session of a device was ended. */
  ended(device: string): void;
  /** Why it cannot be used now; undefined while it can. */
  trouble(): string | undefined;
}

/**
 * Opens the controller's session with an external broker, after a look at it, and keeps it: every message is taken to intake
 * as one of the device whose topic the broker let it use. While the broker is away, retained messages wait. A broker that is
 * found to let a foreign identity through is not used until it no longer does. Throws what `look` and the session throw.
 */
export async function openExternalBroker(options: ExternalBrokerOptions): Promise<ExternalBroker> {
  const broker = new Connected(options);
  await options.look();
  await broker.connect();
  await broker.start();
  return broker;
}

class Connected implements ExternalBroker {
  readonly #options: ExternalBrokerOptions;
  readonly #presence: Presence;
  readonly #waiting = new WaitingRetained();
  readonly #stop = new AbortController();
  #link: BrokerLink | undefined;
  #trouble: FleetError | undefined;
  #timers: NodeJS.Timeout[] = [];
  #running: Promise<void> | undefined;

  constructor(options: ExternalBrokerOptions) {
    this.#options = options;
    this.#presence = new Presence(options.silentAfter);
  }

  async start(): Promise<void> {
    const now = this.#now();
    await this.#assume(this.#options.heardBefore.map(({ device, ago }) => ({ device, heardAt: now - ago })));
    this.#timers = [
      setInterval(() => void this.#lookAgain(), this.#options.lookEvery),
      setInterval(() => void this.#left(this.#presence.takeSilent(this.#now())), sweepEveryMs),
    ];
    this.#running = this.#keepConnected();
  }

  async connect(): Promise<void> {
    const link = await openBrokerLink({ ...this.#options, receive: (message) => this.#receive(message) });
    try {
      // Before others may publish: what they say is newer.
      await this.#waiting.handOver((message) => link.publish(message));
      this.#link = link;
      await link.subscribe(this.#options.filter);
    } catch (error) {
      link.close();
      this.#link = undefined;
      throw error;
    }
    this.#trouble = undefined;
  }

  async publish(message: OutgoingMessage): Promise<void> {
    if (this.#link === undefined) {
      this.#waiting.keep(message);
      return;
    }
    try {
      await this.#link.publish(message);
    } catch (error) {
      if (!isFleetError(error, "offline")) throw error;
      this.#waiting.keep(message);
    }
  }

  /** The broker does not tell which certificate a session stands on: one that may stay comes back at once. */
  async dropSessions(device: string): Promise<number> {
    this.#options.endSession(device);
    return this.#presence.has(device) ? 1 : 0;
  }

  ended(device: string): void {
    if (this.#presence.forget(device)) void this.#tell(device, { connected: false });
  }

  trouble(): string | undefined {
    if (this.#trouble !== undefined) return this.#trouble.message;
    return this.#link === undefined ? "the external broker is away" : undefined;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const timer of this.#timers) clearInterval(timer);
    this.#link?.close();
    await this.#running;
  }

  async #keepConnected(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      // One that came about while it was told to stop.
      if (signal.aborted) this.#link?.close();
      await this.#link?.ended;
      this.#link = undefined;
      if (signal.aborted) return;
      const online = this.#presence.takeAll();
      await this.#left(online.map(({ device }) => device));
      await this.#comeBack(signal);
      await this.#assume(online);
    }
  }

  async #comeBack(signal: AbortSignal): Promise<void> {
    const { notices, returned } = this.#options;
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        // Devices are quick to come back; what they say while nobody listens, they have to say again.
        const isLookedAtFirst = this.#trouble !== undefined;
        if (isLookedAtFirst) await this.#options.look();
        await this.connect();
        await returned();
        if (!isLookedAtFirst) await this.#lookAgain();
        return;
      } catch (error) {
        this.#found(error);
        notices.raise({ name: "externalBroker.away", details: { error: textOf(error) } });
      }
      if (this.#link !== undefined) return;
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Only that it lets somebody through is its fault; that it is away shows by itself. */
  #found(error: unknown): boolean {
    if (!isFleetError(error, "config-invalid")) return false;
    this.#trouble = error;
    this.#options.notices.raise({ name: "externalBroker.unsafe", details: { error: error.message } });
    return true;
  }

  async #lookAgain(): Promise<void> {
    if (this.#link === undefined) return;
    try {
      await this.#options.look();
    } catch (error) {
      if (this.#found(error)) this.#link?.close();
    }
  }

  async #receive({ topic, payload, isRetained }: ReceivedPublish): Promise<void> {
    // Devices retain nothing; what was left here is older than whatever it says.
    if (isRetained) {
      await this.publish({ topic, payload: new Uint8Array(), retain: true }).catch(() => undefined);
      return;
    }
    const parsed = parseTopic(topic);
    if (parsed?.type !== "up") return;
    const { device } = parsed;
    const before = this.#presence.heard(device, this.#now());
    // Of one that was only taken for online it is not known what the broker still holds for it.
    if (before === "assumed") await this.#tell(device, { connected: false });
    if (before !== "known") await this.#tell(device, { connected: true, isHeard: true });
    await this.#options.events.receive({ topic, payload, peer: peerOf(device) });
  }

  async #assume(devices: Parameters<Presence["assume"]>[0]): Promise<void> {
    for (const device of this.#presence.assume(devices, this.#now())) await this.#tell(device, { connected: true });
  }

  async #left(devices: readonly string[]): Promise<void> {
    for (const device of devices) await this.#tell(device, { connected: false });
  }

  async #tell(
    device: string,
    { connected, isHeard = false }: { readonly connected: boolean; readonly isHeard?: boolean },
  ): Promise<void> {
    const { events, notices } = this.#options;
    const change = { peer: peerOf(device), connected, isConcluded: !isHeard };
    await events.sessionChanged(change).catch((error: unknown) => {
      notices.raise({ name: "presence.failed", device, details: { error: textOf(error) } });
    });
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }
}

/** The broker binds topics to certificates; which certificate it was only the broker knows. */
const peerOf = (device: string): PeerIdentity => ({ type: "operational", device, certificateSha256: undefined });

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const firstPauseMs = 50;
const longestPauseMs = 10_000;
const sweepEveryMs = 5_000;
