import type { Body } from "@fleetcert/proto";
import { FleetError, parseCertificate, pemDecode, Secret, sha256Hex } from "@fleetcert/shared";
import { afterEach, describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { pliantService } from "../../../test/support/agent/pliant-service.ts";
import { FakeController } from "../../../test/support/controller/fake-controller.ts";
import { memoryKeyProvider } from "../../../test/support/keys/memory-key-provider.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ManualTimer } from "../../../test/support/manual-timer.ts";
import { testFleet, testNow } from "../../../test/support/pki/fleet-trust.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import { zstdListPatches } from "../adapters/zstd-list-patches.ts";
import type { ServiceSlot } from "./agent-parts.ts";
import { assembleAgent, type RunningAgent } from "./assemble-agent.ts";
import { KeyStores } from "./key-stores.ts";

const minute = 60_000;
const day = 86_400_000;
const running: RunningAgent[] = [];

afterEach(async () => {
  for (const agent of running.splice(0)) await agent.stop();
});

async function aWorld() {
  const clock = new ManualClock(testNow);
  const timer = new ManualTimer(clock);
  const controller = await FakeController.open(clock);
  const keys = memoryKeyProvider();
  const store = new CrashingStateStore();
  const log = new KeptLog();
  const files = new Map<string, string>();
  const start = async (changes: { rootSha256?: string } = {}, services: readonly ServiceSlot[] = []) => {
    const agent = await assembleAgent(
      {
        identity: { fleet: testFleet, device: "pump-1", rootSha256: controller.root.certificate.sha256, ...changes },
        controller: { brokerHost: "", host: "controller.test", port: 8883, bootstrapPort: 8884 },
        claim: async () => ({ claimId: "claim0001", secret: Secret.of("c2VjcmV0LXNlY3JldC1zZWNyZXQ") }),
        keys: KeyStores.of(keys),
        home: undefined,
        store,
        link: controller.link,
        files: { write: async (name, content) => void files.set(name, content) },
        surroundings: { clock, timer, log, random: new SeededRandom(7), failpoint: async () => undefined },
        buildTime: testNow - day,
        agentVersion: "0.1.0",
        platform: "test",
        services,
        outputs: [],
        patches: zstdListPatches,
        settings: {
          renewal: { backoff: { base: 5_000, cap: 15 * minute }, lookAgainAfter: 60 * minute },
          connection: {
            backoff: { base: 1_000, cap: 5 * minute },
            turnedAway: { base: 30_000, cap: 15 * minute },
            provePatience: 2 * minute,
          },
          keepsLists: false,
          failOpenFor: () => Number.POSITIVE_INFINITY,
        },
      },
      () => undefined,
    );
    running.push(agent);
    return agent;
  };
  return { clock, timer, controller, keys, store, log, files, start };
}

const identityOf = (agent: RunningAgent) => agent.status().slots[0];
const isSettled = (agent: RunningAgent, generation: number) => () => {
  const slot = identityOf(agent);
  return slot?.journal === "idle" && slot.certificate?.generation === generation;
};

const watched = (ended: Promise<void>) => {
  let hasEnded = false;
  ended.then(() => {
    hasEnded = true;
  }, undefined);
  return () => hasEnded;
};

describe("an agent", () => {
  it("enrols by its claim, proves the credential in use and stays connected", async () => {
    const { timer, controller, files, keys, start } = await aWorld();
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    await timer.until(() => agent.status().connection?.state === "connected", minute);
    expect(controller.proven).toEqual([identityOf(agent)?.certificate?.sha256]);
    const [certificate = new Uint8Array()] = pemDecode(files.get("identity.pem") ?? "", "CERTIFICATE");
    expect(parseCertificate(certificate).subject.commonName).toBe("pump-1");
    expect((await keys.list("fleetcert:pump-1:identity:")).map(({ label }) => label)).toEqual([
      "fleetcert:pump-1:identity:1",
    ]);
    expect(controller.errors).toEqual([]);
  });

  it("sends nothing to a server that does not present the pinned root", async () => {
    const { timer, controller, start } = await aWorld();
    const agent = await start({ rootSha256: "00".repeat(32) });
    await timer.advance(minute);
    expect(controller.link.connects).toEqual([]);
    expect(identityOf(agent)).toMatchObject({ journal: "requested", lastError: "path-invalid" });
  });

  it("rotates when asked, with a new key, and destroys the old one only after the grace", async () => {
    const { timer, controller, keys, start } = await aWorld();
    controller.grace = 60 * minute;
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    await timer.until(() => agent.status().connection?.state === "connected", minute);
    agent.renew();
    await timer.until(() => identityOf(agent)?.journal === "confirmed", minute);
    expect(await keys.list("fleetcert:pump-1:identity:")).toHaveLength(2);
    await timer.until(isSettled(agent, 2), 61 * minute);
    expect((await keys.list("fleetcert:pump-1:identity:")).map(({ label }) => label)).toEqual([
      "fleetcert:pump-1:identity:2",
    ]);
    expect(controller.proven).toHaveLength(2);
    expect(controller.errors).toEqual([]);
  });

  it("rotates in the window the controller assigns", async () => {
    const { timer, controller, start } = await aWorld();
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    await controller.desireGeneration("pump-1", 2, { windowStart: testNow + day, windowEnd: testNow + 2 * day });
    await timer.advance(day - minute);
    expect(identityOf(agent)?.certificate?.generation).toBe(1);
    await timer.until(isSettled(agent, 2), day + minute);
  });

  it("returns to the old credential when the new one is refused, and proves it later", async () => {
    const { timer, controller, start } = await aWorld();
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    const first = identityOf(agent)?.certificate?.sha256;
    let isRefusing = true;
    const accept = controller.accept.bind(controller);
    controller.accept = (request) => {
      if (request.type === "operational" && sha256Hex(request.credential.certificate) !== first && isRefusing) {
        controller.refusedCertificates.add(sha256Hex(request.credential.certificate));
      }
      accept(request);
    };
    agent.renew();
    await timer.until(() => identityOf(agent)?.lastError === "denied", 5 * minute);
    await timer.until(() => agent.status().connection?.state === "connected", 5 * minute);
    expect(identityOf(agent)?.certificate?.generation).toBe(1);
    isRefusing = false;
    controller.refusedCertificates.clear();
    await timer.until(isSettled(agent, 2), 30 * minute);
  });

  it("goes on where it was after a restart without network", async () => {
    const { timer, controller, start } = await aWorld();
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    controller.link.cut();
    await agent.stop();
    const again = await start();
    expect(identityOf(again)?.certificate?.generation).toBe(1);
    await timer.advance(10 * minute);
    controller.link.isCut = false;
    await timer.until(() => again.status().connection?.state === "connected", 10 * minute);
  });

  it("renews over bootstrap, by its expired credential, after it was offline too long", async () => {
    const { timer, clock, controller, keys, start } = await aWorld();
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    await agent.stop();
    clock.advance(100 * day);
    const again = await start();
    await timer.until(isSettled(again, 2), 30 * minute);
    await timer.until(() => again.status().connection?.state === "connected", 10 * minute);
    const renewal = controller.link.connects.filter(({ type }) => type === "bootstrap").at(-1);
    expect(renewal).toMatchObject({ credential: { generation: 1 } });
    expect(renewal).not.toHaveProperty("claim");
    expect(await keys.list("fleetcert:pump-1:identity:")).toHaveLength(1);
  });

  it("finds out that its credential expired while the machine slept", async () => {
    const { timer, clock, controller, start } = await aWorld();
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    clock.jump(100 * day);
    controller.link.cut();
    controller.link.isCut = false;
    await timer.until(isSettled(agent, 2), 3 * 60 * minute);
    await timer.until(() => agent.status().connection?.state === "connected", 10 * minute);
  });

  it("reports to the controller, and the controller sees each change", async () => {
    const { timer, controller, start } = await aWorld();
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    agent.renew();
    await timer.until(isSettled(agent, 2), minute);
    await timer.advance(minute);
    const reports = controller.messages.flatMap(({ body }) => (body.type === "report" ? [body] : []));
    expect(reports.at(-1)).toMatchObject({
      timeStatus: "anchored",
      slots: [{ slot: "identity", generation: 2, journal: "idle", protection: "software", lastError: "" }],
      outboxLength: 0,
    });
  });

  it("erases its keys and stays away when it is retired", async () => {
    const { timer, controller, keys, start } = await aWorld();
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    await controller.desire("pump-1", {
      era: 1,
      version: 1,
      slots: [],
      reportInterval: 0,
      retire: true,
      suspended: "",
      maintenance: [],
    });
    await timer.until(() => identityOf(agent)?.journal === "retired", minute);
    await timer.advance(10 * minute);
    expect(await keys.list("fleetcert:")).toEqual([]);
    expect(controller.link.sessionCount).toBe(0);
    expect(agent.status().connection?.state).toBe("unenrolled");
  });

  /** Has a device enrolled, then its controller refuse it on 8883 and say why on 8884. */
  async function aTurnedAwayAgent(code: string) {
    const world = await aWorld();
    const { timer, controller, start } = world;
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    await timer.until(() => agent.status().connection?.state === "connected", minute);
    for (const der of controller.issued.values()) controller.refuse(der);
    let verdict: Body | undefined = {
      type: "refused",
      code,
      message: "why",
      hint: "what to do",
      retryAfter: 0,
      trustBundles: [],
    };
    controller.intervene = ({ kind }) => (kind === "time" ? verdict : undefined);
    const drop = () => {
      controller.link.cut();
      controller.link.isCut = false;
    };
    const forgive = () => {
      verdict = undefined;
      controller.refusedCertificates.clear();
    };
    return { ...world, agent, drop, forgive };
  }

  it("learns over bootstrap that it was retired while it was away: erases its keys, and stops", async () => {
    const { timer, controller, keys, agent, drop, log, start } = await aTurnedAwayAgent("device-retired");
    drop();
    let hasEnded = false;
    agent.ended.then(() => {
      hasEnded = true;
    }, undefined);
    await timer.until(() => hasEnded, 10 * minute);
    expect(identityOf(agent)?.journal).toBe("retired");
    expect(await keys.list("fleetcert:")).toEqual([]);
    const [lines, connects] = [log.lines.length, controller.link.connects.length];
    await timer.advance(24 * 60 * minute);
    expect([log.lines.length, controller.link.connects.length]).toEqual([lines, connects]);
    const again = await start();
    await again.ended;
    expect(identityOf(again)?.journal).toBe("retired");
    expect(controller.link.connects).toHaveLength(connects);
  });

  it.each(["online", "over bootstrap"])(
    "erases the keys of all slots when it hears %s that it is retired",
    async (way) => {
      const { timer, controller, keys, start, agent: first, drop } = await aTurnedAwayAgent("device-retired");
      await first.stop();
      for (const slot of ["web", "mqtt", "of-before"])
        await keys.generate({ algorithm: "P-256", label: `fleetcert:pump-1:${slot}:1` });
      await keys.generate({ algorithm: "P-256", label: "fleetcert:pump-10:web:1" });
      const isErased = { web: false, mqtt: false };
      const services = [pliantService("web", isErased), pliantService("mqtt", isErased)];
      const destroy = keys.destroy.bind(keys);
      let isTokenThere = false;
      keys.destroy = async (ref) => {
        const isOfWeb = (await keys.list("fleetcert:pump-1:web:")).some((key) => key.ref === ref);
        if (isOfWeb && !isTokenThere) throw new FleetError("key-store-unavailable", "no token", { retry: true });
        await destroy(ref);
      };
      if (way === "online") {
        controller.intervene = () => undefined;
        controller.refusedCertificates.clear();
        const rest = { slots: [], reportInterval: 0, suspended: "", maintenance: [] };
        await controller.desire("pump-1", { era: 1, version: 1, retire: true, ...rest });
      } else drop();
      const agent = await start({}, services);
      const hasEnded = watched(agent.ended);
      const left = async () => (await keys.list("fleetcert:")).map(({ label }) => label.replace(/:\d+$/, ""));
      await timer.until(
        () => agent.status().slots.filter(({ journal }) => journal === "retired").length === 3,
        10 * minute,
      );
      await timer.advance(10 * minute);
      expect(new Set(await left())).toEqual(new Set(["fleetcert:pump-1:web", "fleetcert:pump-10:web"]));
      expect(isErased).toEqual({ web: true, mqtt: true });
      expect(hasEnded()).toBe(false);
      await agent.stop();
      const connects = controller.link.connects.length;

      const again = await start({}, services);
      const hasEndedAgain = watched(again.ended);
      await timer.advance(30 * minute);
      expect(hasEndedAgain()).toBe(false);
      isTokenThere = true;
      await timer.until(hasEndedAgain, 30 * minute);
      expect(await left()).toEqual(["fleetcert:pump-10:web"]);
      expect(controller.link.connects).toHaveLength(connects);
    },
  );

  it.each(["device-suspended", "credential-revoked", "credential-expired"])(
    "shows why it is turned away (%s) and logs it once, keeps its key, causes no storm, and recovers by itself",
    async (code) => {
      const { timer, controller, keys, agent, drop, forgive, log, start } = await aTurnedAwayAgent(code);
      drop();
      await timer.until(() => agent.status().turnedAway !== undefined, 10 * minute);
      expect(agent.status().turnedAway).toMatchObject({ code, message: "why", hint: "what to do" });
      const before = controller.link.connects.length;
      await timer.advance(24 * 60 * minute);
      expect((controller.link.connects.length - before) / 24).toBeLessThan(12);
      expect(log.lines.filter(({ event }) => event === "turned away by the controller")).toHaveLength(1);
      expect(await keys.list("fleetcert:")).toHaveLength(1);
      await agent.stop();
      const again = await start();
      expect(again.status().turnedAway).toMatchObject({ code });
      await timer.advance(60 * minute);
      expect(log.lines.filter(({ event }) => event === "turned away by the controller")).toHaveLength(1);
      forgive();
      await timer.until(() => again.status().connection?.state === "connected", 16 * minute);
      await timer.advance(minute);
      expect(again.status().turnedAway).toBeUndefined();
    },
  );

  it.each<[string, FakeController["forgery"]]>([
    ["signed by a key that is no command key", { signer: testSigner("P-256") }],
    ["meant for another device", { changes: { recipient: "pump-2" } }],
    ["in reply to another question", { changes: { inReplyTo: "ab".repeat(16) } }],
    ["in reply to nothing", { changes: { inReplyTo: undefined } }],
    ["of another fleet", { changes: { fleet: "elsewhere" } }],
  ])("changes nothing on a refusal that is %s", async (_, forgery) => {
    const { timer, controller, keys, agent, drop, forgive } = await aTurnedAwayAgent("device-retired");
    controller.forgery = forgery;
    drop();
    await timer.advance(3 * 60 * minute);
    expect(identityOf(agent)?.journal).toBe("idle");
    expect(agent.status().turnedAway).toBeUndefined();
    expect(await keys.list("fleetcert:")).toHaveLength(1);
    controller.forgery = {};
    forgive();
    await timer.until(() => agent.status().connection?.state === "connected", 16 * minute);
  });

  it("heeds no desired state that is older than the one it has, or of an era no root has opened", async () => {
    const { timer, controller, start } = await aWorld();
    const agent = await start();
    await timer.until(isSettled(agent, 1), minute);
    const rest = { slots: [], reportInterval: 0, suspended: "", maintenance: [] };
    await controller.desire("pump-1", { era: 1, version: 5, retire: false, ...rest });
    await timer.advance(minute);
    await controller.desire("pump-1", { era: 1, version: 4, retire: true, ...rest });
    await controller.desire("pump-1", { era: 2, version: 9, retire: true, ...rest });
    await timer.advance(minute);
    expect(identityOf(agent)?.journal).toBe("idle");
  });
});
