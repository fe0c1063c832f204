import type { DesiredState } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { Connection } from "../connection/connection.ts";
import { DesiredKeeper } from "../connection/desired-keeper.ts";
import { SequenceBlocks } from "../connection/sequence-blocks.ts";
import type { Incoming } from "../ports.ts";
import { RenewalRunner } from "../renewal/runner.ts";
import type { RenewalWindow } from "../renewal/slot-state.ts";
import { openTimeKeeper } from "../time/time-keeper.ts";
import { openTrustKeeper } from "../trust/trust-keeper.ts";
import type { AgentParts } from "./agent-parts.ts";
import { identityActions, identitySlot, openCredential } from "./credential-actions.ts";
import { type StatusView, statusView } from "./status-view.ts";

/** An agent at work. */
export interface RunningAgent {
  status(): StatusView;
  /** Asks for a new generation now. Throws `conflict` while one is under way. */
  renew(): void;
  /** Ends sessions and loops, in order; idempotent. */
  stop(): Promise<void>;
  /** Resolves after {@link RunningAgent.stop}; rejects when the agent could not go on. */
  readonly ended: Promise<void>;
}

/** Opens what is durable and sets an agent to work. Rejects when its state cannot be read. */
export async function assembleAgent(parts: AgentParts, changed: (status: StatusView) => void): Promise<RunningAgent> {
  const { identity, store, surroundings, keys } = parts;
  const { log, clock } = surroundings;
  const stop = new AbortController();
  const time = await openTimeKeeper({ clock, state: store, buildTime: parts.buildTime, log });
  const trust = await openTrustKeeper({ state: store, pin: identity, time, log });
  const desired = await DesiredKeeper.open(store);

  const incoming: Incoming = {
    connected: async () => runner.connected(),
    fleet: async (topic, payload) => {
      if (topic.type === "trust") await trust.accept(payload);
    },
    desired: async (state) => runner.assign(windowOf(state)),
  };
  const connection = new Connection(
    {
      device: identity.device,
      controller: parts.controller,
      link: parts.link,
      trust,
      time,
      sequences: await SequenceBlocks.open(store, "mqtt"),
      desired,
      incoming,
      surroundings,
    },
    parts.settings.connection,
  );
  const status = (): StatusView =>
    statusView({
      identity,
      controller: parts.controller,
      connection: connection.status,
      slots: { [identitySlot]: runner.state },
      protection: keys.info.protection,
      time: { ...time.estimate(), floor: time.floor() },
      trust: trust.current(),
    });
  const runner = await RenewalRunner.open({
    tools: {
      device: identity.device,
      slot: identitySlot,
      algorithm: () => desired.current?.slots.find(({ slot }) => slot === identitySlot)?.keyAlgorithm ?? "P-256",
      keys,
      actions: identityActions({ ...parts, trust, time, connection, report: () => undefined }),
      log,
    },
    store,
    time,
    settings: parts.settings.renewal,
    surroundings,
    changed: () => changed(status()),
  });

  if (runner.state.current === undefined) runner.want();
  else connection.use(await openCredential(runner.state.current, keys));
  const ended = Promise.all([runner.run(stop.signal), connection.run(stop.signal)]).then(
    () => undefined,
    (error: unknown) => {
      stop.abort();
      throw error;
    },
  );
  return {
    status,
    renew() {
      if (runner.state.journal.at !== "idle") {
        throw new FleetError("conflict", `a rotation is under way: ${runner.state.journal.at}`);
      }
      runner.want();
    },
    async stop() {
      stop.abort();
      await ended.catch(() => undefined);
    },
    ended,
  };
}

function windowOf(desired: DesiredState): RenewalWindow | undefined {
  const slot = desired.slots.find(({ slot }) => slot === identitySlot);
  if (slot === undefined || slot.renewGeneration === 0) return undefined;
  return { generation: slot.renewGeneration, start: slot.windowStart, end: slot.windowEnd };
}
