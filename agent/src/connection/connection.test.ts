import { formatTopic } from "@fleetcert/proto";
import { FleetError, sha256 } from "@fleetcert/shared";
import { afterEach, describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { FakeController } from "../../../test/support/controller/fake-controller.ts";
import { memoryKeyProvider } from "../../../test/support/keys/memory-key-provider.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ManualTimer } from "../../../test/support/manual-timer.ts";
import { testFleet, testNow } from "../../../test/support/pki/fleet-trust.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import type { Credential, Incoming } from "../ports.ts";
import { openTimeKeeper } from "../time/time-keeper.ts";
import { openTrustKeeper } from "../trust/trust-keeper.ts";
import { Connection } from "./connection.ts";
import { DesiredKeeper } from "./desired-keeper.ts";
import { SequenceBlocks } from "./sequence-blocks.ts";

const minute = 60_000;
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function aConnection(standsAgainst = () => false) {
  const clock = new ManualClock(testNow);
  const timer = new ManualTimer(clock);
  const log = new KeptLog();
  const controller = await FakeController.open(clock);
  const store = new CrashingStateStore();
  const time = await openTimeKeeper({ clock, state: store, buildTime: 0, log });
  const pin = { rootSha256: controller.root.certificate.sha256, fleet: testFleet };
  const trust = await openTrustKeeper({ state: store, pin, time, log });
  await trust.accept(controller.envelope);
  const keys = memoryKeyProvider();
  const events: string[] = [];
  const incoming: Incoming = {
    connected: async ({ credential }) => void events.push(`connected ${credential.generation}`),
    fleet: async (topic) => void events.push(topic.type),
    desired: async ({ version }) => void events.push(`desired ${version}`),
    anchored: () => void events.push("anchored"),
    unasked: async ({ kind }) => void events.push(`unasked ${kind}`),
  };
  const connection = new Connection(
    {
      device: "pump-1",
      broker: { host: "controller.test", port: 8883 },
      link: controller.link,
      trust,
      time,
      sequences: await SequenceBlocks.open(store, "mqtt"),
      desired: await DesiredKeeper.open(store),
      incoming,
      isRevoked: () => false,
      surroundings: { clock, timer, log, random: new SeededRandom(5), failpoint: async () => undefined },
    },
    {
      backoff: { base: 1_000, cap: 5 * minute },
      turnedAway: { base: 30_000, cap: 15 * minute },
      provePatience: minute,
    },
    async () => {
      events.push("asked why");
      return standsAgainst();
    },
  );
  const credentialOf = async (generation: number): Promise<Credential> => {
    const key = await keys.generate({ algorithm: "P-256", label: `fleetcert:pump-1:identity:${generation}` });
    const certificate = await controller.certify("pump-1", { slot: "identity", generation, spki: key.spki });
    return { key, certificate, chain: [], generation };
  };
  const stop = new AbortController();
  const running = connection.run(stop.signal);
  stops.push(async () => {
    stop.abort();
    await running;
  });
  const isConnected = () => connection.status.state === "connected";
  return { connection, controller, timer, time, events, credentialOf, isConnected, clock };
}

const activated = ({ generation, certificate }: Credential) =>
  ({ type: "activated", slot: "identity", generation, certificateSha256: sha256(certificate) }) as const;

describe("the connection", () => {
  it("anchors the time before anybody hears of the first session, and asks again on every other without waiting", async () => {
    const { connection, controller, timer, time, events, credentialOf, isConnected } = await aConnection();
    connection.use(await credentialOf(1));
    await timer.until(isConnected, minute);
    expect(time.estimate().status).toBe("anchored");
    controller.link.cut();
    controller.link.isCut = false;
    await timer.until(() => events.filter((event) => event === "connected 1").length === 2, minute);
    expect(controller.messages.filter(({ kind }) => kind === "time")).toHaveLength(2);
  });

  it("takes a server from the future of its anchor, because the machine may have slept, once a signed time says so", async () => {
    const { connection, controller, timer, time, clock, credentialOf, isConnected } = await aConnection();
    connection.use(await credentialOf(1));
    await timer.until(isConnected, minute);
    // Asleep for ten days: the wall clock goes on, the monotonic one stands still. The controller renews its certificate.
    clock.jump(10 * 86_400_000);
    await controller.renewServer();
    controller.link.cut();
    controller.link.isCut = false;
    await timer.until(() => controller.link.connects.length === 2 && isConnected(), 5 * minute);
    expect(Math.abs(time.estimate().at - clock.now())).toBeLessThan(minute);
  });

  it("lets trust pass before the time is anchored, and everything else only after", async () => {
    const { connection, controller, timer, events, credentialOf } = await aConnection();
    const issuer = "ab".repeat(32);
    controller.link.publish(formatTopic({ type: "head", issuer }), Uint8Array.of(1), { retain: true });
    controller.link.publish(formatTopic({ type: "trust" }), Uint8Array.of(2), { retain: true });
    connection.use(await credentialOf(1));
    await timer.until(() => events.length === 3, minute);
    expect(events).toEqual(["trust", "connected 1", "head"]);
  });

  it("disconnects from a server whose dates do not hold at the time that came", async () => {
    const { connection, timer, clock, credentialOf } = await aConnection();
    clock.advance(301 * 86_400_000);
    connection.use(await credentialOf(1));
    await timer.until(() => connection.status.lastError !== "", minute);
    expect(connection.status).toEqual({ state: "connecting", lastError: "path-invalid" });
  });

  it("reconnects with pauses that grow up to the cap, and never stops", async () => {
    const { connection, controller, timer, clock, credentialOf, isConnected } = await aConnection();
    const credential = await credentialOf(1);
    const tries: number[] = [];
    controller.accept = () => {
      tries.push(clock.monotonic());
      throw new FleetError("offline", "not today");
    };
    connection.use(credential);
    await timer.advance(60 * minute);
    const pauses = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(5 * minute);
    expect(Math.max(...pauses.slice(0, 3))).toBeLessThan(16_000);
    expect(tries.length).toBeGreaterThan(10);
    expect(connection.status).toEqual({ state: "connecting", lastError: "offline" });
    controller.accept = () => undefined;
    await timer.until(isConnected, 5 * minute);
  });

  it("asks why it is turned away, knocks at no door that stays shut, and comes back by itself", async () => {
    let isSuspended = true;
    const { connection, controller, timer, events, credentialOf, isConnected } = await aConnection(() => isSuspended);
    const credential = await credentialOf(1);
    controller.refuse(credential.certificate);
    connection.use(credential);
    await timer.advance(60 * minute);
    expect(controller.link.connects).toHaveLength(1);
    const asked = events.length;
    expect(asked).toBeGreaterThan(3);
    await timer.advance(24 * 60 * minute);
    // Full jitter under a cap of 15 minutes asks 8 times an hour.
    expect((events.length - asked) / 24).toBeLessThan(12);
    expect(controller.link.connects).toHaveLength(1);
    isSuspended = false;
    controller.refusedCertificates.clear();
    await timer.until(isConnected, 16 * minute);
  });

  it("goes on knocking when nobody can say why it is turned away", async () => {
    const { connection, controller, timer, events, credentialOf } = await aConnection();
    const credential = await credentialOf(1);
    controller.refuse(credential.certificate);
    connection.use(credential);
    await timer.advance(24 * 60 * minute);
    expect(controller.link.connects.length).toBeGreaterThan(24);
    expect(controller.link.connects.length).toBeLessThan(12 * 24);
    expect(events.every((event) => event === "asked why")).toBe(true);
    expect(events.length).toBe(controller.link.connects.length);
  });

  it("spreads a fleet that lost its controller at once over the first pause", async () => {
    const { connection, controller, timer, clock, credentialOf, isConnected } = await aConnection();
    connection.use(await credentialOf(1));
    await timer.until(isConnected, minute);
    await timer.advance(minute);
    controller.link.cut();
    controller.link.isCut = false;
    const before = clock.monotonic();
    await timer.advance(0);
    expect(isConnected()).toBe(false);
    await timer.until(isConnected, minute);
    expect(clock.monotonic() - before).toBeGreaterThan(0);
  });

  it("is away no longer after an outage than the outage was long, whatever its pauses were", async () => {
    const { connection, controller, timer, clock, credentialOf, isConnected } = await aConnection();
    connection.use(await credentialOf(1));
    await timer.until(isConnected, minute);
    for (let outage = 1; outage <= 40; outage += 1) {
      await timer.advance(minute);
      controller.link.cut();
      await timer.advance(8_000);
      controller.link.isCut = false;
      const over = clock.monotonic();
      await timer.until(isConnected, minute);
      expect(clock.monotonic() - over).toBeLessThanOrEqual(9_000);
    }
  });

  it("asks over the live session, and is offline without one", async () => {
    const { connection, controller, timer, credentialOf, isConnected } = await aConnection();
    const credential = await credentialOf(1);
    const ask = () =>
      connection.ask(
        { type: "event", name: "test", at: 1, details: {} },
        { signer: credential.key, patience: minute, signal: new AbortController().signal },
      );
    await expect(ask()).rejects.toMatchObject({ code: "offline" });
    connection.use(credential);
    await timer.until(isConnected, minute);
    expect((await ask()).body).toEqual({ type: "received" });
    expect(controller.errors).toEqual([]);
  });

  it("subscribes again, on the next session, what was subscribed on this one", async () => {
    const { connection, controller, timer, events, credentialOf, isConnected } = await aConnection();
    connection.use(await credentialOf(1));
    await timer.until(isConnected, minute);
    const topic = { type: "trust-version", version: 7 } as const;
    await connection.subscribe([formatTopic(topic)]);
    controller.link.cut();
    controller.link.isCut = false;
    await timer.until(() => events.filter((event) => event === "connected 1").length === 2, minute);
    controller.link.publish(formatTopic(topic), Uint8Array.of(1));
    await timer.until(() => events.includes("trust-version"), minute);
    await connection.unsubscribe([formatTopic(topic)]);
    controller.link.publish(formatTopic(topic), Uint8Array.of(1));
    await timer.advance(minute);
    expect(events.filter((event) => event === "trust-version")).toHaveLength(1);
  });
});

describe("a proof in use", () => {
  const signal = new AbortController().signal;

  it("takes the client id over, is confirmed over its own session, and that session stays", async () => {
    const { connection, controller, timer, events, credentialOf, isConnected } = await aConnection();
    connection.use(await credentialOf(1));
    await timer.until(isConnected, minute);
    const next = await credentialOf(2);
    expect(await connection.prove(next, activated(next), signal)).toMatchObject({ type: "confirmed", generation: 2 });
    await timer.advance(minute);
    expect(events).toEqual(["connected 1", "connected 2"]);
    expect(controller.link.sessionCount).toBe(1);
    expect(connection.status).toEqual({ state: "connected", lastError: "" });
  });

  it("gives way to the old credential when the new one is refused at CONNECT", async () => {
    const { connection, controller, timer, events, credentialOf, isConnected } = await aConnection();
    connection.use(await credentialOf(1));
    await timer.until(isConnected, minute);
    const next = await credentialOf(2);
    controller.refuse(next.certificate);
    await expect(connection.prove(next, activated(next), signal)).rejects.toMatchObject({ code: "denied" });
    await timer.advance(minute);
    expect(isConnected()).toBe(true);
    expect(events).toEqual(["connected 1"]);
  });

  it("gives way to the old credential when the proof is refused or not answered", async () => {
    const { connection, controller, timer, events, credentialOf, isConnected } = await aConnection();
    connection.use(await credentialOf(1));
    await timer.until(isConnected, minute);
    const next = await credentialOf(2);
    controller.intervene = ({ body }) => (body.type === "activated" ? "lost" : undefined);
    const unanswered = connection.prove(next, activated(next), signal).catch((error: unknown) => error);
    await timer.until(() => events.filter((event) => event === "connected 1").length === 2, 5 * minute);
    expect(await unanswered).toMatchObject({ code: "timeout" });
    controller.intervene = ({ body }) =>
      body.type === "activated"
        ? { type: "refused", code: "not-found", message: "", hint: "", retryAfter: 0, trustBundles: [] }
        : undefined;
    await expect(connection.prove(next, activated(next), signal)).rejects.toMatchObject({ code: "denied" });
    await timer.until(() => events.filter((event) => event === "connected 1").length === 3, 5 * minute);
    expect(controller.proven).toEqual([]);
  });

  it("knocks on while the controller is away when there is no credential to come back with", async () => {
    const { connection, controller, timer, clock, credentialOf } = await aConnection();
    const first = await credentialOf(1);
    controller.link.cut();
    const proof = connection.prove(first, activated(first), signal);
    await timer.advance(20_000);
    controller.link.isCut = false;
    const over = clock.monotonic();
    expect(controller.link.connects.length).toBeLessThan(20);
    await timer.until(() => controller.proven.length === 1, 21_000);
    expect(await proof).toMatchObject({ type: "confirmed", generation: 1 });
    expect(clock.monotonic() - over).toBeLessThanOrEqual(21_000);
  });

  it("gives a first credential back to its slot when nobody can be reached for as long as a proof may take", async () => {
    const { connection, controller, timer, credentialOf } = await aConnection();
    const first = await credentialOf(1);
    controller.link.cut();
    const proof = connection.prove(first, activated(first), signal).catch((error: unknown) => error);
    await timer.advance(3 * minute);
    expect(await proof).toMatchObject({ code: "offline" });
  });

  it("is not confirmed by an answer about another certificate", async () => {
    const { connection, controller, timer, credentialOf, isConnected } = await aConnection();
    connection.use(await credentialOf(1));
    await timer.until(isConnected, minute);
    const next = await credentialOf(2);
    controller.intervene = ({ body }) =>
      body.type === "activated"
        ? { ...body, type: "confirmed", certificateSha256: new Uint8Array(32), grace: 0 }
        : undefined;
    await expect(connection.prove(next, activated(next), signal)).rejects.toMatchObject({ code: "message-invalid" });
  });
});
