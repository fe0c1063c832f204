import { join } from "node:path";
import { localActor } from "./actor.ts";
import { nextAuditSequence } from "./audit-figures.ts";
import { runChild } from "./child.ts";
import { endEarlierRollouts } from "./end-earlier-rollouts.ts";
import { type LoneDevice, prepareDevice } from "./lone-device.ts";
import { type OwnAgent, startOwnAgent } from "./own-agent.ts";
import { retireEarlierFleets } from "./retire-earlier-fleets.ts";
import type { Scene } from "./scene.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";
import { repository } from "./workplace.ts";

/** The issuing CA is changed under a fleet that works, while some of its devices are switched off; they catch up afterwards. */
export const caRollover: Scene = (stage, checks) => changeCa(stage, checks, []);

/** The same with the root: the old one leaves last, and who has been away or has a claim of before is led to the new one. */
export const rootRollover: Scene = async (stage, checks) => {
  const { operations } = stage.controller;
  const first = await operations.trust.show(localActor);
  const late = await prepareDevice(stage, "late");
  const figures = await changeCa(stage, checks, ["--new-root"]);
  const now = await operations.trust.show(localActor);
  const isNew = (sha256: string): boolean => first.roots.every((one) => one.sha256 !== sha256);
  const roots = { count: now.roots.length, areNew: now.roots.every(({ sha256 }) => isNew(sha256)) };
  checks.equal("old-root-removed", { count: 1, areNew: true }, roots, "fleetcert trust show");
  const agent = late.start();
  const shown = await late.untilProven(1);
  await agent.stop();
  const issuer = shown?.certificate?.issuer;
  checks.equal("claim-of-before", now.issuers[0]?.id, issuer, "a device enrols with a claim that pins the old root");
  return figures;
};

async function changeCa(
  stage: Stage,
  checks: Parameters<Scene>[1],
  flags: readonly string[],
): Promise<Record<string, unknown>> {
  const { controller, panel } = stage;
  const { operations } = controller;
  await endEarlierRollouts(stage);
  await retireEarlierFleets({ ...stage, devices: [] });
  const online = await Promise.all(Array.from({ length: onlineCount }, (_, n) => startOwnAgent(stage, `here${n + 1}`)));
  const offline = await Promise.all(["away1", "away2"].map((name) => enrolAndStop(stage, name)));
  const firstEntry = await nextAuditSequence(operations);
  const before = await operations.rollover.status(localActor);
  panel.step(
    `${online.length} devices online, ${offline.length} switched off, issued by ${before.issuing.slice(0, 8)}`,
  );

  await command(stage, "start", ...flags, "--rare", "0", "--soak", "0s");
  const switched = await untilState(stage, (state) => state !== "distributing");
  const { rollover } = switched;
  const from = before.issuing;
  const to = rollover?.to ?? "";
  panel.step(
    `the new CA ${to.slice(0, 8)} issues: ${JSON.stringify(switched.holders.map(({ holding, devices }) => `${holding}/${devices}`))}`,
  );
  const retiring = await untilState(stage, (state) => state === "retiring");
  const early = await issuedBefore(stage, to, rollover?.switchedAt ?? 0);
  const always = switched.holders.find(({ connectivity }) => connectivity === "always");
  checks.equal(
    "acks-before-switch",
    { holding: online.length, issuedBefore: 0 },
    { holding: always?.holding, issuedBefore: early },
    "fleetcert ca rollover status when the new CA began; certificates of it before that",
  );
  const reissued = retiring.holders.find(({ connectivity }) => connectivity === "always")?.reissued;
  checks.equal("re-issued", online.length, reissued, "devices online with a certificate of the new CA");

  await command(stage, "finish");
  const trusted = await until(
    async () => online.filter(({ agent }) => agent.status().trust?.version === latest(online)).length,
    (count) => count === online.length && latest(online) > (rollover?.bundle.version ?? 0),
    { timeoutMs: 20_000 },
  );
  const { issuers } = await operations.trust.show(localActor);
  const removed = { issuers: issuers.map(({ id }) => id), holding: trusted };
  checks.equal(
    "old-issuer-removed",
    { issuers: [to], holding: online.length },
    removed,
    "fleetcert trust show, agents",
  );

  const back = await Promise.all(offline.map((device) => comeBack(device, to)));
  checks.equal(
    "offline-caught-up",
    offline.length,
    back.filter(Boolean).length,
    "switched on: proven under the new CA",
  );
  const refused = await refusals(stage, firstEntry);
  const lost = online.filter(({ agent }) => agent.status().connection?.state !== "connected").length;
  checks.equal("connect-failures", { refused: 0, lost: 0 }, { refused, lost }, "session.refused in the audit, agents");
  return { rollover: { from, to, online: online.length, offline: offline.length } };
}

async function enrolAndStop(stage: Stage, name: string): Promise<LoneDevice> {
  const device = await prepareDevice(stage, name);
  const agent = device.start();
  await device.untilProven(1);
  await agent.stop();
  await stage.controller.operations.devices.set(localActor, device.id, { connectivity: "rare" });
  return device;
}

/** Asks for the next generation where the waves no longer do. */
async function comeBack(device: LoneDevice, to: string): Promise<boolean> {
  const agent = device.start();
  const shown = await device.untilProven(2);
  await agent.stop();
  return shown?.certificate?.issuer === to && shown.certificate.state === "proven";
}

async function command({ place }: Stage, ...args: string[]): Promise<void> {
  const main = join(repository, "controller/src/main.ts");
  await runChild([main, "ca", "rollover", ...args, "--data", place.controller, "--json"]);
}

async function untilState({ controller }: Stage, isSo: (state: string) => boolean) {
  return await until(
    () => controller.operations.rollover.status(localActor),
    ({ rollover }) => isSo(rollover?.state ?? ""),
    { timeoutMs: 180_000, everyMs: 250 },
  );
}

async function issuedBefore({ controller }: Stage, issuer: string, switchedAt: number): Promise<number> {
  const { items } = await controller.operations.certificates.list(localActor, {
    filter: `issuer=${issuer}`,
    limit: 1000,
  });
  return items.filter(({ issuedAt }) => issuedAt < switchedAt).length;
}

async function refusals({ controller }: Stage, from: number): Promise<number> {
  const entries = await controller.operations.audit.list(localActor, { from, limit: 1000 });
  return entries.filter(({ action }) => action === "session.refused").length;
}

const latest = (online: readonly OwnAgent[]): number =>
  Math.max(0, ...online.map(({ agent }) => agent.status().trust?.version ?? 0));
const onlineCount = 6;
