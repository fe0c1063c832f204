import { localActor } from "./actor.ts";
import { type CutProxy, openCutProxy } from "./cut-proxy.ts";
import { endEarlierRollouts } from "./end-earlier-rollouts.ts";
import { type OwnAgent, startOwnAgent } from "./own-agent.ts";
import type { Scene } from "./scene.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";

/**
 * A dozen devices that enrolled within a minute get windows all over two months. Then they are rotated in waves, and the network of the
 * canaries goes away when they are to prove: the rollout pauses, nobody else is touched, and it goes on when a person says so.
 */
export const windowsAndWaves: Scene = async (stage, checks) => {
  const { panel } = stage;
  await endEarlierRollouts(stage);
  const fleet = await startFleet(stage);
  const days = await plannedDays(fleet);
  const spread = Math.round(Math.max(...days) - Math.min(...days));
  panel.step(`${fleet.length} devices enrolled together renew over ${spread} days`);
  checks.atLeast(
    "windows-spread",
    20,
    spread,
    "days between the first and the last planned renewal, as the agents say",
  );

  const { id, why, ...paused } = await pauseAtCanaries(stage, fleet);
  panel.step(`the canaries did not prove: the rollout is ${paused.state}`);
  const expected = { state: "paused", canariesKeptOld: true, touchedBeyond: 0 };
  checks.equal("wave-paused-untouched", expected, paused, "fleetcert rotate status, fleetcert device show");

  const ended = await goOn(stage, fleet, id);
  checks.equal("wave-resumed", { state: "completed", proven: fleet.length }, ended, "fleetcert rotate status");
  return { windows: { devices: fleet.length, spreadDays: spread }, wave: { pausedBecause: why } };
};

interface Member {
  readonly own: OwnAgent;
  readonly network: CutProxy;
}

async function startFleet(stage: Stage): Promise<Member[]> {
  const start = async (index: number): Promise<Member> => {
    const network = await openCutProxy(stage.controller.endpoints.operational);
    stage.atEnd(() => network.close());
    return { own: await startOwnAgent(stage, `wave${index + 1}`, [], network.port), network };
  };
  return await Promise.all(Array.from({ length: size }, (_, index) => start(index)));
}

/** When each agent plans its next renewal, in days from now; the window comes with the desired state, right after the proof. */
async function plannedDays(fleet: readonly Member[]): Promise<number[]> {
  const days = (): number[] =>
    fleet.map(({ own }) => ((own.agent.status().slots[0]?.renewAt ?? 0) - Date.now()) / 86_400_000);
  const isSpread = (found: readonly number[]): boolean => Math.max(...found) - Math.min(...found) > 20;
  return await until(async () => days(), isSpread, { timeoutMs: 10_000 });
}

async function pauseAtCanaries({ controller, place }: Stage, fleet: readonly Member[]) {
  const { rotations } = controller.operations;
  const tag = `waves-${place.run}`;
  for (const { own } of fleet) await controller.operations.devices.set(localActor, own.device, { tags: [tag] });
  const filter = `tag=${tag}`;
  const planned = await rotations.plan(localActor, { filter, percents: [10, 100], within: 20_000, soak: 0 });
  for (const { network } of fleet) void network.cutAtNextConnection();
  await rotations.start(localActor, planned.id);
  const { state, stateReason } = await until(
    () => rotations.show(localActor, planned.id),
    (shown) => shown.state !== "running",
    { timeoutMs: 60_000, everyMs: 500 },
  );
  const generations = await newestGenerations(controller, fleet);
  const begun = generations.filter((one) => one.newest > 1);
  const canariesKeptOld = begun.length > 0 && begun.every(({ proven }) => proven === 1);
  const touchedBeyond = Math.max(0, begun.length - (planned.waves[0]?.devices ?? 0));
  return { id: planned.id, state, canariesKeptOld, touchedBeyond, why: stateReason };
}

async function goOn({ controller }: Stage, fleet: readonly Member[], id: string) {
  const { rotations } = controller.operations;
  for (const { network } of fleet) network.mend();
  await rotations.resume(localActor, id);
  const { state } = await until(
    () => rotations.show(localActor, id),
    (shown) => shown.state !== "running",
    { timeoutMs: 90_000, everyMs: 500 },
  );
  const proven = (await newestGenerations(controller, fleet)).filter((one) => one.proven === 2).length;
  return { state, proven };
}

async function newestGenerations({ operations }: Stage["controller"], fleet: readonly Member[]) {
  return await Promise.all(
    fleet.map(async ({ own }) => {
      const { certificates } = await operations.devices.show(localActor, own.device);
      const generations = (state?: string): number =>
        Math.max(
          0,
          ...certificates.filter((one) => state === undefined || one.state === state).map((one) => one.generation),
        );
      return { newest: generations(), proven: generations("proven") };
    }),
  );
}

const size = 12;
