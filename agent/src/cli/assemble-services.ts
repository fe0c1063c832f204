import type { DesiredState } from "@fleetcert/proto";
import type { KeyAlgorithm } from "@fleetcert/shared";
import type { Connection } from "../connection/connection.ts";
import { deployment } from "../deployment/service-actions.ts";
import type { Credential, TimeKeeper, TrustKeeper } from "../ports.ts";
import { rulesOf, windowOf } from "../renewal/desired-renewal.ts";
import { RenewalRunner } from "../renewal/runner.ts";
import type { SlotState } from "../renewal/slot-state.ts";
import type { AgentParts, ServiceSlot } from "./agent-parts.ts";
import { slotActions } from "./slot-actions.ts";

/** The slots of this host's services at work. */
export interface Services {
  /** State of each slot, by its name. */
  states(): Readonly<Record<string, SlotState>>;
  /** What keeps the journal of each slot, by its name. */
  readonly runners: ReadonlyMap<string, RenewalRunner>;
  /** A session with this identity is live. */
  connected(credential: Credential): void;
  desired(state: DesiredState): void;
  /** The device is retired: each slot erases its keys, and what was written out of them, until none is left. */
  retire(): void;
  /** What the slots' files are made of has changed beside their credentials. */
  trustChanged(): void;
  /** Runs until the signal ends it, which is to come to a retired device only once every slot has erased its keys. */
  run(signal: AbortSignal): Promise<void>;
}

/** What the slots are wired to, beside the agent's parts. */
export interface ServiceWiring {
  readonly trust: TrustKeeper;
  readonly time: TimeKeeper;
  readonly connection: Connection;
  readonly desired: () => DesiredState | undefined;
  readonly report: () => void;
  /** Told after every durable change; must not throw. */
  readonly changed: () => void;
}

/** Opens the journal of every service slot. Rejects when one cannot be read. */
export async function assembleServices(parts: AgentParts, wiring: ServiceWiring): Promise<Services> {
  const live: { signer?: Credential } = {};
  const runners = new Map<string, RenewalRunner>();
  for (const service of parts.services) {
    runners.set(service.slot, await openRunner(service, { ...parts, ...wiring, signer: () => live.signer }));
  }
  const each = (act: (runner: RenewalRunner, slot: string) => void) => runners.forEach(act);
  const follow = (desired: DesiredState) =>
    each((runner, slot) => {
      if (desired.retire) runner.retire();
      else runner.assign(windowOf(desired, slot));
    });
  const known = wiring.desired();
  if (known !== undefined) follow(known);
  return {
    runners,
    states: () => Object.fromEntries([...runners].map(([slot, runner]) => [slot, runner.state])),
    connected(credential) {
      live.signer = credential;
      each((runner) => {
        runner.connected();
        if (runner.state.current === undefined && runner.state.journal.at === "idle") runner.want();
      });
    },
    desired: follow,
    retire: () => each((runner) => runner.retire()),
    trustChanged: () => each((runner) => runner.exposeAgain()),
    async run(signal) {
      await Promise.all([...runners.values()].map((runner) => runner.run(signal)));
    },
  };
}

function openRunner(
  { slot, profile, home, ...service }: ServiceSlot,
  parts: AgentParts & ServiceWiring & { readonly signer: () => Credential | undefined },
): Promise<RenewalRunner> {
  const { keys, trust, time, surroundings, desired, identity } = parts;
  const { log, timer } = surroundings;
  const assigned = () => desired()?.slots.find((one) => one.slot === slot);
  const deployed = deployment({
    ...service,
    ...{ slot, time, timer, log },
    openKey: (ref) => keys.open(ref),
    trust: () => trust.current(),
  });
  return RenewalRunner.open({
    tools: {
      ...{ device: identity.device, slot, keys, log },
      algorithm: (): KeyAlgorithm => assigned()?.keyAlgorithm ?? "P-256",
      actions: slotActions({
        ...parts,
        ...{ slot, profile, deployment: deployed },
        assignedProfile: () => assigned()?.profile,
      }),
      service: deployed,
    },
    store: parts.store,
    time,
    settings: { ...parts.settings.renewal, kind: "service", home },
    rules: () => rulesOf(desired(), slot),
    surroundings,
    changed: parts.changed,
  });
}
