import { FleetError, formatDuration } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { RolloutDeviceRecord, RolloutRecord } from "../rotation-records.ts";
import { type Candidate, planWaves } from "./plan-waves.ts";
import type { RolloutParts, RolloutRequest, ShownRollout } from "./rollout.ts";

/** Fixes a selection and its waves, so that what is started later is what was looked at. */
export async function planRollout(
  { store, surroundings, inventory }: RolloutParts,
  actor: string,
  request: RolloutRequest,
): Promise<ShownRollout> {
  const now = surroundings.clock.now();
  requireTimeEnough(request);
  const connected = inventory.connected();
  return await store.transaction(async (tx) => {
    const candidates: Candidate[] = [];
    for (const id of new Set(request.devices)) {
      const device = await tx.devices.find(id);
      if (device === undefined) throw new FleetError("not-found", `there is no device ${id}`);
      if (device.state !== "active") continue;
      if ((await tx.certificates.listOf(id, request.slot)).length === 0) continue;
      const { site, connectivity } = device.attributes;
      candidates.push({ id, site, connectivity, isConnected: connected.has(id) });
    }
    if (candidates.length === 0 && request.devices.length > 0) throw nobodyAble(request);
    const waves = planWaves(candidates, request.shape);
    const rollout: RolloutRecord = {
      id: `r${now.toString(36)}${Buffer.from(surroundings.random.bytes(2)).toString("hex")}`,
      state: "planned",
      stateReason: "",
      slot: request.slot,
      filter: request.filter,
      isUrgent: request.isUrgent,
      explanationUrl: request.explanationUrl,
      waves: waves.map(({ name, devices }) => ({ name, devices: devices.length })),
      gates: request.gates,
      spread: request.spread,
      wave: 0,
      waveStartedAt: undefined,
      soakingSince: undefined,
      createdAt: now,
      createdBy: actor,
      endedAt: undefined,
    };
    await tx.rollouts.put(rollout);
    const devices = waves.flatMap((wave, index) => wave.devices.map((id) => waitingDevice(rollout.id, id, index)));
    for (const device of devices) await tx.rolloutDevices.put(device);
    await appendAudit(tx, {
      at: now,
      actor,
      action: "rollout.planned",
      target: rollout.id,
      outcome: "success",
      details: {
        filter: request.filter,
        slot: request.slot,
        devices: String(devices.length),
        waves: String(waves.length),
      },
    });
    return { rollout, devices };
  });
}

/** Whoever is asked at the end of the spread has to be through before the wave is. */
function requireTimeEnough({ spread, gates }: RolloutRequest): void {
  if (spread < gates.within) return;
  throw new FleetError(
    "request-invalid",
    `a wave that is spread over ${formatDuration(spread)} cannot be through within ${formatDuration(gates.within)}`,
    { hint: "make --wave-timeout longer than --within" },
  );
}

function nobodyAble({ devices, slot }: RolloutRequest): FleetError {
  return new FleetError(
    "request-invalid",
    `of ${devices.length} devices selected none is active and has a certificate of slot ${slot}`,
    { hint: "fleetcert device show ID lists the slots of a device" },
  );
}

function waitingDevice(rollout: string, device: string, wave: number): RolloutDeviceRecord {
  return { rollout, device, wave, state: "waiting", generation: 0, askedAt: undefined, reason: "" };
}
