import { type Duration, FleetError } from "@fleetcert/shared";
import type { Inventory } from "../inventory/inventory.ts";
import type { Surroundings } from "../ports.ts";
import type { RolloutDeviceRecord, RolloutGates, RolloutRecord } from "../rotation-records.ts";
import { Sparing } from "../sparing.ts";
import type { Store, Transaction } from "../store-port.ts";
import { changeRollout } from "./change-rollout.ts";
import { performStep } from "./perform-step.ts";
import { planRollout } from "./plan-rollout.ts";
import type { WaveShape } from "./plan-waves.ts";

/** What rollouts work with. */
export interface RolloutParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  readonly inventory: Inventory;
  /** How long a device may take from its certificate to the proof. */
  readonly proveWithin: Duration;
  /** Window of a wave when it is not spread. */
  readonly renewalWindow: Duration;
}

/** A rollout as a person asks for it. */
export interface RolloutRequest {
  /** Ids the filter selected. */
  readonly devices: readonly string[];
  readonly filter: string;
  readonly slot: string;
  readonly shape: WaveShape;
  readonly gates: RolloutGates;
  /** Over which time each wave is spread; 0 is the ordinary window. */
  readonly spread: Duration;
  readonly isUrgent: boolean;
  readonly explanationUrl: string;
}

/** A rollout with its devices. */
export interface ShownRollout {
  readonly rollout: RolloutRecord;
  readonly devices: readonly RolloutDeviceRecord[];
}

/** Rotations in waves, behind gates. */
export interface Rollouts {
  /** Fixes the selection and its waves; nobody is asked yet. Throws `request-invalid`, `not-found`. */
  plan(actor: string, request: RolloutRequest): Promise<ShownRollout>;
  /** Throws `conflict` unless it is planned, and while another rollout of the slot is under way. */
  start(actor: string, id: string): Promise<RolloutRecord>;
  /** Nobody else is asked; those asked go on. */
  pause(actor: string, id: string): Promise<RolloutRecord>;
  /** The time of the present wave begins anew. */
  resume(actor: string, id: string): Promise<RolloutRecord>;
  /** Ends it; those asked go on. */
  abort(actor: string, id: string): Promise<RolloutRecord>;
  /** Ends it and takes back every wish that is not fulfilled: those devices keep the credential they have. */
  rollBack(actor: string, id: string): Promise<RolloutRecord>;
  /** Throws `not-found`. */
  show(id: string): Promise<ShownRollout>;
  list(page: { readonly after?: string; readonly limit: number }): Promise<RolloutRecord[]>;
  /** Carries rollouts under way on by one step; of paused ones only the failures are judged. Called again and again. */
  step(): Promise<void>;
}

/** Opens rollouts; what was running before a restart goes on with the next step. */
export function openRollouts(parts: RolloutParts): Rollouts {
  const { store, surroundings } = parts;
  const paces = new Map<string, Sparing<void>>();
  return {
    plan: (actor, request) => planRollout(parts, actor, request),
    start: (actor, id) => changeRollout(parts, { actor, id, change: "start" }),
    pause: (actor, id) => changeRollout(parts, { actor, id, change: "pause" }),
    resume: (actor, id) => changeRollout(parts, { actor, id, change: "resume" }),
    abort: (actor, id) => changeRollout(parts, { actor, id, change: "abort" }),
    rollBack: (actor, id) => changeRollout(parts, { actor, id, change: "roll-back" }),
    show: (id) =>
      store.transaction(async (tx) => ({
        rollout: await requireRollout(tx, id),
        devices: await tx.rolloutDevices.listOf(id),
      })),
    list: (page) => store.transaction((tx) => tx.rollouts.list(page)),
    async step() {
      const running = (await underWay(parts)).map(({ id }) => id);
      for (const id of paces.keys()) if (!running.includes(id)) paces.delete(id);
      for (const id of running) {
        // A step looks at every device of the waves begun; nobody else is asked before the next one has (I13).
        const pace = paces.get(id) ?? new Sparing<void>(surroundings.clock);
        paces.set(id, pace);
        await pace.find(id, () => performStep(parts, id));
      }
    },
  };
}

/** The rollout; throws `not-found`. */
export async function requireRollout(tx: Transaction, id: string): Promise<RolloutRecord> {
  const found = await tx.rollouts.find(id);
  if (found === undefined)
    throw new FleetError("not-found", `there is no rollout ${id}`, { hint: "fleetcert rotate status" });
  return found;
}

async function underWay({ store }: RolloutParts): Promise<RolloutRecord[]> {
  const found: RolloutRecord[] = [];
  let after: string | undefined;
  do {
    const page = await store.transaction((tx) =>
      tx.rollouts.list({ limit: 200, ...(after !== undefined && { after }) }),
    );
    found.push(...page.filter(({ state }) => state === "running" || state === "paused"));
    after = page.length === 200 ? page.at(-1)?.id : undefined;
  } while (after !== undefined);
  return found;
}
