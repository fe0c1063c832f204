import { assertNever, type Instant } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { DeviceRecord } from "../records.ts";
import type { RolloutDeviceRecord, RolloutRecord } from "../rotation-records.ts";
import type { Transaction } from "../store-port.ts";
import { waveName, withdrawAll } from "./change-rollout.ts";
import { gatherFacts } from "./gather-facts.ts";
import { type RolloutParts, requireRollout } from "./rollout.ts";
import { type Decision, stepRollout } from "./step.ts";

/**
 * Judges one rollout and carries the decisions out in one transaction, unless a person changed the rollout meanwhile: then the
 * next step judges anew.
 */
export async function performStep(parts: RolloutParts, id: string): Promise<void> {
  const { store, surroundings, inventory, proveWithin } = parts;
  const now = surroundings.clock.now();
  const judged = await store.transaction((tx) => requireRollout(tx, id));
  const connected = inventory.connected();
  const sources = { store, proveWithin, isConnected: (device: string) => connected.has(device) };
  const facts = await gatherFacts(sources, judged, now);
  const decisions = stepRollout(judged, facts, now);
  if (decisions.length === 0) return;
  const notices = await store.transaction(async (tx) => {
    const present = await requireRollout(tx, id);
    if (present.state !== judged.state || present.wave !== judged.wave) return [];
    const devices = new Map((await tx.rolloutDevices.listOf(id)).map((one) => [one.device, one]));
    let rollout = present;
    for (const decision of decisions) rollout = await perform(parts, tx, { rollout, decision, devices, now });
    return decisions.flatMap((decision) => noticeOf(rollout, decision));
  });
  for (const notice of notices) surroundings.notices.raise(notice);
}

interface Task {
  readonly rollout: RolloutRecord;
  readonly decision: Decision;
  readonly devices: ReadonlyMap<string, RolloutDeviceRecord>;
  readonly now: Instant;
}

async function perform(parts: RolloutParts, tx: Transaction, task: Task): Promise<RolloutRecord> {
  const { rollout, decision, devices, now } = task;
  switch (decision.do) {
    case "mark": {
      const { device, state, reason } = decision;
      const one = devices.get(device);
      if (one !== undefined) await tx.rolloutDevices.put({ ...one, state, reason });
      return rollout;
    }
    case "ask":
      await ask(parts, tx, { ...task, asked: decision.devices });
      return rollout;
    case "soak":
      return await put(tx, { ...rollout, soakingSince: decision.since });
    case "begin-wave": {
      const next = { ...rollout, wave: decision.wave, waveStartedAt: now, soakingSince: undefined };
      await note(tx, next, { now, action: "rolloutWave.started" });
      return await put(tx, next);
    }
    case "complete": {
      await note(tx, rollout, { now, action: "rollout.completed" });
      return await put(tx, { ...rollout, state: "completed", endedAt: now });
    }
    case "pause": {
      const paused: RolloutRecord = { ...rollout, state: "paused", stateReason: decision.reason };
      await note(tx, paused, { now, action: "rollout.paused" });
      return await put(tx, paused);
    }
    case "roll-back": {
      const ended: RolloutRecord = { ...rollout, state: "rolled-back", stateReason: decision.reason, endedAt: now };
      await note(tx, ended, { now, action: "rollout.reverted" });
      await withdrawAll(parts, tx, ended);
      return await put(tx, ended);
    }
    default:
      return assertNever(decision);
  }
}

async function ask(
  { inventory, renewalWindow }: RolloutParts,
  tx: Transaction,
  { rollout, asked, devices, now }: Task & { readonly asked: readonly string[] },
): Promise<void> {
  const able: DeviceRecord[] = [];
  for (const id of asked) {
    const device = await tx.devices.find(id);
    if (device?.state === "active") able.push(device);
  }
  const isSpread = rollout.spread > 0;
  // A point of the window that lies behind the wave's end would pause it for nothing.
  const span = isSpread ? rollout.spread : Math.min(renewalWindow, rollout.gates.within / 2);
  const wishes = await inventory.wishRotation(tx, {
    ...{ devices: able, isSpread, window: { start: now, end: now + span } },
    ...{ slot: rollout.slot, isUrgent: rollout.isUrgent, explanationUrl: rollout.explanationUrl },
    ...{ actor: rollout.createdBy, rollout: rollout.id },
  });
  for (const { device, generation } of wishes) {
    const one = devices.get(device);
    if (one !== undefined) await tx.rolloutDevices.put({ ...one, state: "asked", generation, askedAt: now });
  }
}

async function put(tx: Transaction, rollout: RolloutRecord): Promise<RolloutRecord> {
  await tx.rollouts.put(rollout);
  return rollout;
}

async function note(
  tx: Transaction,
  rollout: RolloutRecord,
  { now, action }: { readonly now: Instant; readonly action: Parameters<typeof appendAudit>[1]["action"] },
): Promise<void> {
  const { stateReason } = rollout;
  const details = { wave: waveName(rollout), ...(stateReason !== "" && { reason: stateReason }) };
  await appendAudit(tx, { at: now, actor: "controller", action, target: rollout.id, outcome: "success", details });
}

function noticeOf({ id }: RolloutRecord, decision: Decision) {
  if (decision.do !== "pause" && decision.do !== "roll-back") return [];
  const name = decision.do === "pause" ? "rollout.paused" : "rollout.rolled-back";
  return [{ name, details: { rollout: id, reason: decision.reason } }];
}
