import type { Clock } from "@fleetcert/shared";
import type { Inventory } from "../inventory/inventory.ts";
import type { Rollouts, ShownRollout } from "../rollout/rollout.ts";
import type { RolloutDeviceRecord, RolloutDeviceState, RolloutGates } from "../rotation-records.ts";
import type { Store } from "../store-port.ts";
import { filteredPage } from "./filtered-page.ts";
import type { RolloutPlanRequest, RolloutView, RotationOperations, WaveView } from "./rotation-operations.ts";
import { selectDevices } from "./select-devices.ts";

/** What rotations are carried out by. */
interface RotationDuties {
  readonly store: Store;
  readonly clock: Clock;
  readonly inventory: Inventory;
  readonly rollouts: Rollouts;
}

/** Rotations as the API offers them. */
export function rotationOperations(duties: RotationDuties): RotationOperations {
  const { store, inventory, rollouts } = duties;
  const view = (shown: ShownRollout) => rolloutView(shown, inventory.connected());
  const after = async ({ id }: { readonly id: string }) => view(await rollouts.show(id));
  return {
    request: ({ name }, request) => inventory.requestRotation(name, request),
    async plan({ name }, request) {
      const now = duties.clock.now();
      const devices = await store.transaction((tx) => selectDevices(tx, request.filter, { now, inventory }));
      return view(await rollouts.plan(name, { ...withDefaults(request), devices }));
    },
    start: async ({ name }, id) => after(await rollouts.start(name, id)),
    pause: async ({ name }, id) => after(await rollouts.pause(name, id)),
    resume: async ({ name }, id) => after(await rollouts.resume(name, id)),
    abort: async ({ name }, id) => after(await rollouts.abort(name, id)),
    rollback: async ({ name }, id) => after(await rollouts.rollBack(name, id)),
    show: async (_actor, id) => view(await rollouts.show(id)),
    list: (_actor, request) =>
      filteredPage(store, request, {
        read: (tx, page) => tx.rollouts.list(page),
        keyOf: ({ id }) => id,
        view: async (tx, rollout) => view({ rollout, devices: await tx.rolloutDevices.listOf(rollout.id) }),
        facts: ({ id, state, slot }) => ({ id, state, slot }),
        fields: ["id", "state", "slot"],
      }),
  };
}

function withDefaults(request: RolloutPlanRequest) {
  const { percents, bySite = false, slot = "identity", isUrgent = false, explanationUrl = "" } = request;
  return {
    ...{ filter: request.filter, slot, isUrgent, explanationUrl, spread: request.spread ?? 0 },
    shape: { percents: percents ?? (bySite ? [1] : defaultPercents), bySite },
    gates: {
      provenPercent: request.provenPercent ?? defaultGates.provenPercent,
      maxFailures: request.maxFailures ?? defaultGates.maxFailures,
      within: request.within ?? defaultGates.within,
      soak: request.soak ?? defaultGates.soak,
    },
  };
}

function rolloutView({ rollout, devices }: ShownRollout, connected: ReadonlySet<string>): RolloutView {
  const { explanationUrl: _url, waves, ...shown } = rollout;
  const failed = devices.filter(({ state }) => state === "failed");
  return {
    ...shown,
    waves: waves.map(({ name }, index) =>
      waveView(
        name,
        devices.filter(({ wave }) => wave === index),
        connected,
      ),
    ),
    failures: failed
      .slice(0, maxFailures)
      .map(({ device, wave, reason }) => ({ device, wave: waves[wave]?.name ?? "", reason })),
  };
}

function waveView(name: string, devices: readonly RolloutDeviceRecord[], connected: ReadonlySet<string>): WaveView {
  const states: Record<RolloutDeviceState, number> = {
    ...{ waiting: 0, asked: 0, proven: 0, failed: 0, withdrawn: 0, skipped: 0 },
  };
  for (const { state } of devices) states[state] += 1;
  const offline = devices.filter(({ device }) => !connected.has(device)).length;
  return { name, devices: devices.length, offline, states };
}

/** Cumulative shares of the waves when none are named. */
export const defaultPercents: readonly number[] = [1, 10, 50, 100];

const hour = 3_600_000;
/** The gates when none are named. */
export const defaultGates: RolloutGates = { provenPercent: 95, maxFailures: 0, within: 24 * hour, soak: hour };
const maxFailures = 100;
