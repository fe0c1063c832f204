import type { PropagationView } from "@fleetcert/controller";
import { localActor } from "./actor.ts";
import type { AgentReport, Fleet } from "./fleet.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";

/** What the revocations came to. */
export interface RevocationOutcome {
  readonly revoked: readonly string[];
  readonly droppedSessions: number;
  /** The slowest, milliseconds. */
  readonly blockedAtBrokerMs: number;
  /** Of the last epoch. */
  readonly propagation: PropagationView;
  /** What the revoked agents say after they have tried to come back. */
  readonly refusals: readonly AgentReport[];
}

/** Revokes the chosen devices, waits until every other one has applied the last epoch and the revoked ones were refused. */
export async function revoke(stage: Stage, fleet: Fleet): Promise<RevocationOutcome | undefined> {
  const { controller, devices, panel } = stage;
  const { revocations } = controller.operations;
  const chosen = devices.filter(({ isRevoked }) => isRevoked).map(({ id }) => id);
  if (chosen.length === 0) return undefined;
  const done = [];
  for (const device of chosen) done.push(await revocations.revoke(localActor, { device, reason: "keyCompromise" }));
  const epoch = done.at(-1)?.epoch;
  const propagation = await until(
    async () => {
      const status = await revocations.status(localActor, epoch === undefined ? {} : { epoch });
      panel.bar("revoke", status.acknowledged, status.expected, "devices have applied the new CRL");
      return status;
    },
    ({ acknowledged, expected }) => acknowledged >= expected,
    { timeoutMs: 30_000 },
  );
  const wanted = new Set(chosen);
  const refusals = await until(
    async () => (await fleet.reports()).filter(({ device }) => wanted.has(device)),
    (reports) => reports.length === chosen.length && reports.every(isRefused),
    { timeoutMs: 20_000, everyMs: 250 },
  );
  return {
    revoked: chosen,
    droppedSessions: done.reduce((sum, { droppedSessions }) => sum + droppedSessions, 0),
    blockedAtBrokerMs: Math.max(...done.map(({ blockedAtBroker }) => blockedAtBroker)),
    propagation,
    refusals,
  };
}

/** Whether the agent has no session and the broker's CONNACK said why. */
export function isRefused({ state, lastError }: AgentReport): boolean {
  return state !== "connected" && lastError === "denied";
}
