import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PropagationView } from "@fleetcert/controller";
import { isFleetError, pemDecode } from "@fleetcert/shared";
import { localActor } from "./actor.ts";
import { askRevocation } from "./ask-agent.ts";
import type { Fleet } from "./fleet.ts";
import { type Identity, type Knock, knockAtBroker, knockAtServer } from "./knock.ts";
import { type LocalService, prepareService } from "./local-services.ts";
import { lookAtFleet } from "./look-at-fleet.ts";
import { type OwnAgent, startOwnAgent } from "./own-agent.ts";
import { letIn, type Person } from "./persons.ts";
import { retireEarlierFleets } from "./retire-earlier-fleets.ts";
import type { Scene } from "./scene.ts";
import { enrol } from "./scene-enrol.ts";
import { isRefused } from "./scene-revoke.ts";
import type { Stage } from "./stage.ts";
import { until } from "./until.ts";

/**
 * A batch is taken away in one plan that needs two persons, and that is felt everywhere: at the broker, on every device, by
 * other software of a device while the controller is silent, and by a device that was away.
 */
export const revocationScene: Scene = async (stage, checks) => {
  const { controller, devices, panel, place } = stage;
  const { operations, endpoints } = controller;
  await retireEarlierFleets(stage);
  const services = await servicesOf(stage);
  const { fleet } = await enrol(stage);
  const gateway = await startOwnAgent(
    stage,
    "gateway",
    services.map(({ crlFile, reload }) => ({ file: crlFile, reload })),
  );
  const thief = await startOwnAgent(stage, "thief");
  const away = devices.find(({ role }) => role === "cut-off")?.id;
  const batch = batchOf(
    devices.map(({ id }) => id),
    away,
  );
  const issuer = (await operations.crls.list(localActor))[0]?.issuer ?? "";
  await startServices(stage, services);
  const [alice, bob] = [await letIn(stage, "alice", "security"), await letIn(stage, "bob", "approver")];
  await operations.bounds.set(localActor, "revoke", bound);

  const before = await knockAtAll(services, thief.identity);
  const ticket = (await knock(stage, thief)).ticket;
  await until(
    async () => thief.agent.status().connection?.state,
    (state) => state === "connected",
    { timeoutMs: 20_000 },
  );
  await splitJobs(stage, checks, { alice, bob });
  await untilConnected(stage);

  const selection = { listed: { devices: [...batch, thief.device], serials: [] }, reason: "keyCompromise" } as const;
  const plan = await alice.byCertificate.revocations.plan(localActor, selection);
  const alone = await codeOf(alice.byCertificate.revocations.revoke(localActor, selection));
  const own = await codeOf(alice.byKey.plans.approve(localActor, plan.hash));
  const untouched = await stateOf(stage, thief.device);
  checks.equal(
    "second-person-required",
    ["second-person-required", "denied", "active"],
    [alone, own, untouched],
    "alice asks, alice approves by her API key, state of a device of the plan: revoke, approve, device show",
  );
  if (away !== undefined) fleet.network?.cut();
  const approvedAt = performance.now();
  const done = await bob.byCertificate.plans.approve(localActor, plan.hash);
  const approvalMs = Math.round(performance.now() - approvedAt);
  panel.step(
    `revoked ${batch.length + 1} devices in plan ${plan.hash.slice(0, 16)}…, epoch ${done.epoch}, in ${approvalMs} ms`,
  );
  checks.equal("dropped-live", batch.length + 1, done.droppedSessions, "sessions dropped by the plan, approve");

  const status = () => operations.revocations.status(localActor, { plan: plan.hash });
  const missing = away === undefined ? 0 : 1;
  const online = await until(status, ({ acknowledged, expected }) => acknowledged >= expected - missing, {
    timeoutMs: 60_000,
  });
  checks.equal(
    "online-proven",
    online.expected - missing,
    online.acknowledged,
    "signed words of devices, revoke status",
  );
  checks.atMost("proof-p95-ms", 5000, online.p95, "from the approval to the signed word, revoke status");
  checks.equal(
    "blocked-new",
    { refused: batch.length, thief: "refused" },
    await blocked(stage, { fleet, batch, thief }),
    "the revoked agents' own status; CONNACK to a session with the stolen key",
  );
  const resumed = await knockAtBroker(endpoints.operational.port, thief.identity, { clientId: thief.device, ticket });
  checks.equal(
    "resumed-session-refused",
    { session: false, resumed: false },
    { session: resumed.connack === 0, resumed: resumed.wasResumed },
    `TLS with the ${ticket === undefined ? "key; the broker gave no ticket" : "ticket"} of before`,
  );
  const fresh = await startOwnAgent(stage, "fresh");
  const verdict = gateway.agent.revocation.isRevoked(issuer, fresh.serial).status;
  checks.equal(
    "fresh-certificate-good",
    "good",
    verdict,
    "what the gateway says of a certificate issued after the epoch",
  );

  if (away !== undefined) {
    fleet.network?.mend();
    const proven = await until(
      () => epochOf(stage, away, issuer),
      (epoch) => epoch >= (done.epoch ?? 0),
      { timeoutMs: 60_000 },
    );
    const answer = await askRevocation(join(place.agents, away), issuer, thief.serial.hex);
    checks.equal(
      "offline-before-first-use",
      { isProven: true, answer: "revoked" },
      { isProven: proven >= (done.epoch ?? 0), answer },
      "the device that was away: its signed word, then its local answer about the stolen certificate",
    );
  }
  await whileSilent(stage, checks, { services, thief, friend: gateway, before });
  await raiseBound(stage, bob);
  return {
    revocation: figuresOf(online, {
      approvalMs,
      done: done.droppedSessions,
      revoked: batch.length + 1,
      impact: plan.impact,
    }),
  };
};

/** Twenty with the thief where the fleet is large enough, a tenth of it otherwise; never the one that is away. */
function batchOf(ids: readonly string[], away: string | undefined): string[] {
  const count = Math.max(1, Math.min(19, Math.floor(ids.length / 10)));
  return ids.filter((id) => id !== away).slice(-count);
}

async function servicesOf(stage: Stage): Promise<LocalService[]> {
  const found = [await prepareService(stage, "nginx"), await prepareService(stage, "mosquitto")];
  return found.filter((service) => service !== undefined);
}

async function startServices({ place }: Stage, services: readonly LocalService[]): Promise<void> {
  const root = await readFile(join(place.controller, "ca", "root.pem"), "utf8");
  for (const { crlFile, start } of services) {
    // The root's list and those of the issuer.
    const lists = async () => pemDecode(await readFile(crlFile, "utf8").catch(() => ""), "X509 CRL").length;
    await until(lists, (count) => count >= 2, { timeoutMs: 30_000 });
    await start(root);
  }
}

/** Small jobs by every way of one person add up; what was held alone is undone by another. */
async function splitJobs(
  { devices }: Stage,
  checks: Parameters<Scene>[1],
  { alice, bob }: { readonly alice: Person; readonly bob: Person },
): Promise<void> {
  const codes: string[] = [];
  const chosen = devices.filter(({ role }) => role === "hosted" || role === "process").slice(0, bound + 1);
  for (const [index, { id }] of chosen.entries()) {
    const way = index % 2 === 0 ? alice.byCertificate : alice.byKey;
    codes.push(await codeOf(way.revocations.revoke(localActor, { device: id, reason: "certificateHold" })));
  }
  const expected = chosen.map((_, index) => (index < bound ? "done" : "second-person-required"));
  checks.equal(
    "split-jobs-bounded",
    expected,
    codes,
    `jobs of one device each, bound ${bound}, by certificate and API key in turns`,
  );
  const held = chosen.slice(0, bound).map(({ id }) => id);
  await bob.byCertificate.revocations.undo(localActor, { listed: { devices: held, serials: [] } });
}

/** What the revoked agents say after they tried to come back, and what a session asked for with the stolen key is told. */
async function blocked(
  stage: Stage,
  { fleet, batch, thief }: { readonly fleet: Fleet; readonly batch: readonly string[]; readonly thief: OwnAgent },
): Promise<{ readonly refused: number; readonly thief: string }> {
  const refusedOf = async (): Promise<number> =>
    (await fleet.reports()).filter((report) => batch.includes(report.device) && isRefused(report)).length;
  const refused = await until(refusedOf, (count) => count >= batch.length, { timeoutMs: 30_000, everyMs: 250 });
  // Ours answers with CONNACK 5, Mosquitto ends the handshake.
  return { refused, thief: (await knock(stage, thief)).connack === 0 ? "let in" : "refused" };
}

/** nginx and Mosquitto refuse the stolen certificate while the controller's process is frozen, and take others as before. */
async function whileSilent(
  { controller }: Stage,
  checks: Parameters<Scene>[1],
  parts: {
    readonly services: readonly LocalService[];
    readonly thief: OwnAgent;
    readonly friend: OwnAgent;
    readonly before: Readonly<Record<string, boolean>>;
  },
): Promise<void> {
  const { services, thief, friend, before } = parts;
  const thaw = controller.freeze();
  try {
    for (const name of ["nginx", "mosquitto"] as const) {
      const service = services.find((one) => one.name === name);
      const seen = service && {
        before: before[name],
        stolen: await knockAt(service, thief.identity),
        other: await knockAt(service, friend.identity),
      };
      const evidence =
        service === undefined ? `${name} is missing: apt-get install ${packages[name]}` : evidenceOf[name];
      checks.equal(`${name}-refused`, { before: true, stolen: false, other: true }, seen, evidence);
    }
  } finally {
    thaw();
  }
}

/** Raising a bound is a plan too; the next run needs room to retire this fleet. */
async function raiseBound({ controller }: Stage, bob: Person): Promise<void> {
  const { bounds, plans } = controller.operations;
  await codeOf(bounds.set(localActor, "revoke", 10_000));
  const waiting = (await plans.list(localActor, {})).find(({ kind, state }) => kind === "bound" && state === "open");
  if (waiting !== undefined) await bob.byCertificate.plans.approve(localActor, waiting.hash);
}

const knock = ({ controller }: Stage, { identity, device }: OwnAgent): Promise<Knock> =>
  knockAtBroker(controller.endpoints.operational.port, identity, { clientId: device });

async function knockAt({ name, port }: LocalService, identity: Identity): Promise<boolean> {
  if (name === "nginx") return (await knockAtServer(port, identity)) === 200;
  return (await knockAtBroker(port, identity, { clientId: "peer" })).connack === 0;
}

async function knockAtAll(services: readonly LocalService[], identity: Identity): Promise<Record<string, boolean>> {
  const answers: Record<string, boolean> = {};
  for (const service of services) {
    // It may still be starting.
    const ask = () => knockAt(service, identity);
    answers[service.name] = await until(ask, (isTaken) => isTaken, { timeoutMs: 10_000 });
  }
  return answers;
}

/** `done`, or the code of the refusal. */
const codeOf = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => "done",
    (error: unknown) => (isFleetError(error) ? error.code : "internal"),
  );

async function stateOf({ controller }: Stage, device: string): Promise<string> {
  return (await controller.operations.devices.show(localActor, device)).state;
}

async function epochOf({ controller }: Stage, device: string, issuer: string): Promise<number> {
  return (await controller.operations.devices.show(localActor, device)).epochs[issuer] ?? 0;
}

/** Every device of the run has a session and has applied what was published; what was held for a moment comes back in its own time. */
async function untilConnected({ controller, devices }: Stage): Promise<void> {
  const missing = async (): Promise<number> => {
    const found = await lookAtFleet(controller.operations, devices);
    return [...found.values()].filter(({ connected }) => !connected).length;
  };
  await until(missing, (count) => count === 0, { timeoutMs: 120_000, everyMs: 250 });
  const present = () => controller.operations.revocations.status(localActor, {});
  await until(present, ({ acknowledged, expected }) => acknowledged >= expected, { timeoutMs: 60_000, everyMs: 250 });
}

function figuresOf(
  online: PropagationView,
  done: { readonly revoked: number; readonly approvalMs: number; readonly done: number; readonly impact: unknown },
) {
  const { blockedAtBroker, publishedAfter, expected, acknowledged, p50, p95, p99, max } = online;
  return {
    ...{ revoked: done.revoked, approvalMs: done.approvalMs, droppedSessions: done.done, impact: done.impact },
    ...{
      blockedAtBrokerMs: blockedAtBroker,
      publishedAfterMs: publishedAfter,
      expected,
      acknowledgedOnline: acknowledged,
    },
    ...{ p50Ms: p50, p95Ms: p95, p99Ms: p99, maxMs: max },
  };
}

const packages = { nginx: "nginx-light", mosquitto: "mosquitto" };
const evidenceOf = {
  nginx: "status for the stolen and another certificate while the controller's process is frozen (SIGSTOP)",
  mosquitto: "CONNACK for the stolen and another certificate while the controller's process is frozen (SIGSTOP)",
};
/** What one person may revoke alone during the scene. */
const bound = 2;
