import { FleetError } from "@fleetcert/shared";
import { type AuditEventName, appendAudit } from "../audit/append-audit.ts";
import type { RolloutRecord, RolloutState } from "../rotation-records.ts";
import type { Transaction } from "../store-port.ts";
import { type RolloutParts, requireRollout } from "./rollout.ts";

/** What a person may do with a rollout. */
type Change = "start" | "pause" | "resume" | "abort" | "roll-back";

/** Carries a person's word out, at once and in one transaction. Throws `not-found`, `conflict`. */
export async function changeRollout(
  parts: RolloutParts,
  { actor, id, change }: { readonly actor: string; readonly id: string; readonly change: Change },
): Promise<RolloutRecord> {
  const now = parts.surroundings.clock.now();
  return await parts.store.transaction(async (tx) => {
    const before = await requireRollout(tx, id);
    const { from, to, action } = changes[change];
    if (!from.includes(before.state)) {
      throw new FleetError(
        "conflict",
        `rollout ${id} is ${before.state}; this is for one that is ${from.join(" or ")}`,
        {
          hint: `fleetcert rotate status ${id}`,
        },
      );
    }
    if (change === "start") await requireAlone(tx, before);
    const hasEnded = to === "aborted" || to === "rolled-back";
    const begins = change === "start" || change === "resume";
    const after: RolloutRecord = {
      ...before,
      state: to,
      stateReason: begins ? "" : `by ${actor}`,
      ...(begins && { waveStartedAt: now, soakingSince: undefined }),
      ...(hasEnded && { endedAt: now }),
    };
    await tx.rollouts.put(after);
    await appendAudit(tx, {
      at: now,
      actor,
      action,
      target: id,
      outcome: "success",
      details: { wave: waveName(after) },
    });
    if (change === "roll-back") await withdrawAll(parts, tx, after);
    return after;
  });
}

/** Takes back every wish of the rollout that is not fulfilled; those devices keep the credential they have. */
export async function withdrawAll(parts: RolloutParts, tx: Transaction, rollout: RolloutRecord): Promise<void> {
  const devices = await tx.rolloutDevices.listOf(rollout.id);
  const open = devices.filter(({ state }) => state === "asked" || state === "failed");
  const { slot, id } = rollout;
  await parts.inventory.withdrawRotation(tx, { slot, rollout: id, devices: open.map(({ device }) => device) });
  for (const one of open) if (one.state === "asked") await tx.rolloutDevices.put({ ...one, state: "withdrawn" });
}

/** Name of the present wave. */
export function waveName({ waves, wave }: RolloutRecord): string {
  return waves[wave]?.name ?? "";
}

/** Two rollouts of one slot would overwrite each other's wishes. */
async function requireAlone(tx: Transaction, { id, slot }: RolloutRecord): Promise<void> {
  for (const one of await tx.rollouts.list({ limit: 100_000 })) {
    if (one.id === id || one.slot !== slot || (one.state !== "running" && one.state !== "paused")) continue;
    throw new FleetError("conflict", `rollout ${one.id} of slot ${slot} is ${one.state}`, {
      hint: `wait for it (fleetcert rotate status ${one.id} --watch), or end it: fleetcert rotate abort ${one.id}`,
    });
  }
}

const changes: Readonly<
  Record<Change, { readonly from: readonly RolloutState[]; readonly to: RolloutState; readonly action: AuditEventName }>
> = {
  start: { from: ["planned"], to: "running", action: "rollout.started" },
  pause: { from: ["running"], to: "paused", action: "rollout.paused" },
  resume: { from: ["paused"], to: "running", action: "rollout.resumed" },
  abort: { from: ["planned", "running", "paused"], to: "aborted", action: "rollout.aborted" },
  "roll-back": { from: ["running", "paused"], to: "rolled-back", action: "rollout.reverted" },
};
