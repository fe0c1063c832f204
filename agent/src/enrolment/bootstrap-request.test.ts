import { type Body, bootstrapClientId, type Message } from "@fleetcert/proto";
import { encodeCsr, FleetError, type ProviderKey, Secret } from "@fleetcert/shared";
import { beforeEach, describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent-surroundings.ts";
import { CrashingStateStore } from "../../../test/support/crashing-state-store.ts";
import { FakeController } from "../../../test/support/fake-controller.ts";
import { testFleet, testNow } from "../../../test/support/fleet-trust.ts";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ManualTimer } from "../../../test/support/manual-timer.ts";
import { memoryKeyProvider } from "../../../test/support/memory-key-provider.ts";
import { SeededRandom } from "../../../test/support/seeded-random.ts";
import { openTimeKeeper } from "../time/time-keeper.ts";
import { openTrustKeeper } from "../trust/trust-keeper.ts";
import { type BootstrapRequest, requestOverBootstrap } from "./bootstrap-request.ts";

const year = 365 * 86_400_000;

async function aDevice(wall = testNow) {
  const controller = await FakeController.open(new ManualClock(testNow));
  const clock = new ManualClock(wall);
  const timer = new ManualTimer(clock);
  const log = new KeptLog();
  const store = new CrashingStateStore();
  const time = await openTimeKeeper({ clock, state: store, buildTime: 0, log });
  const pin = { rootSha256: controller.root.certificate.sha256, fleet: testFleet };
  const trust = await openTrustKeeper({ state: store, pin, time, log });
  const key = await memoryKeyProvider().generate({ algorithm: "P-256", label: "fleetcert:pump-1:identity:1" });
  const surroundings = { clock, timer, log, random: new SeededRandom(3), failpoint: async () => undefined };
  const isRevoked = () => false;
  const ask = async (changes: Partial<BootstrapRequest> = {}) => {
    const request = { ...(await anEnrolment(key)), ...pin, ...changes };
    const tools = { link: controller.link, trust, time, isRevoked, surroundings };
    const answer = requestOverBootstrap(request, tools, new AbortController().signal).catch((error: unknown) => error);
    let isDone = false;
    answer.then(() => {
      isDone = true;
    }, undefined);
    await timer.until(() => isDone, 120_000);
    return answer;
  };
  return { controller, key, trust, time, timer, ask };
}

async function anEnrolment(key: ProviderKey): Promise<Omit<BootstrapRequest, "rootSha256" | "fleet">> {
  const csr = await encodeCsr({ signer: key, commonName: "pump-1" });
  return {
    device: "pump-1",
    controller: { host: "controller.test", port: 8884 },
    right: { claimId: "claim0001", secret: Secret.of("AQIDBAUGBwgJCgsMDQ4PEA") },
    body: {
      type: "enrol",
      slot: "identity",
      generation: 1,
      csr,
      protection: "software",
      tokenSerial: "",
      agentVersion: "0",
    },
    signer: key,
    spki: key.spki,
  };
}

describe("a request over bootstrap", () => {
  let device: Awaited<ReturnType<typeof aDevice>>;
  beforeEach(async () => {
    device = await aDevice();
  });

  it("brings a certificate, and with it trust and time", async () => {
    expect(await device.ask()).toMatchObject({ type: "issued" });
    expect(device.trust.current()).toMatchObject({ fleet: testFleet, version: 1 });
    expect(device.time.floor()).toBe(testNow);
    const { clientId, claim } = device.controller.link.connects[0] as {
      clientId: string;
      claim?: { id: string; secret: Uint8Array };
    };
    expect(clientId).toBe(bootstrapClientId(device.key.id));
    expect(claim?.id).toBe("claim0001");
    expect(claim?.secret).toEqual(Uint8Array.from({ length: 16 }, (_, index) => index + 1));
    expect(device.controller.link.sessionCount).toBe(0);
  });

  it.each([-20 * year, 20 * year])("works with a clock that is %d ms wrong", async (offset) => {
    const skewed = await aDevice(testNow + offset);
    expect(await skewed.ask()).toMatchObject({ type: "issued" });
    expect(skewed.time.floor()).toBe(testNow);
  });

  it("sends no claim when the server does not lead to the pinned root", async () => {
    expect(await device.ask({ rootSha256: "ab".repeat(32) })).toMatchObject({ code: "path-invalid" });
    expect(device.controller.link.connects).toEqual([]);
  });

  it("hands a refusal back as it came, also of a code nobody knows here", async () => {
    device.controller.intervene = () => ({
      type: "refused",
      code: "moon-phase",
      message: "wait",
      hint: "",
      retryAfter: 7,
      trustBundles: [],
    });
    expect(await device.ask()).toMatchObject({ type: "refused", code: "moon-phase", retryAfter: 7 });
    expect(device.trust.current()).toBeUndefined();
  });

  it("takes a certificate for another device for a lie, and keeps nothing of it", async () => {
    const other = await aDevice();
    await other.ask();
    const [stolen = new Uint8Array()] = other.controller.issued.values();
    device.controller.intervene = ({ body }: Message): Body | undefined =>
      body.type !== "enrol"
        ? undefined
        : {
            type: "issued",
            slot: "identity",
            generation: 1,
            certificate: stolen,
            chain: [],
            trustBundles: [device.controller.envelope],
          };
    expect(await device.ask()).toMatchObject({ code: "issued-mismatch" });
    expect(device.trust.current()).toBeUndefined();
    expect(device.time.floor()).toBe(0);
  });

  it("does not believe an answer that leads to no trust", async () => {
    device.controller.intervene = ({ body }: Message): Body | undefined =>
      body.type !== "enrol"
        ? undefined
        : {
            type: "issued",
            slot: "identity",
            generation: 1,
            certificate: Uint8Array.of(1),
            chain: [],
            trustBundles: [],
          };
    expect(await device.ask()).toMatchObject({ code: "timeout" });
  });

  it("asks again when an answer is lost, and gets the same certificate", async () => {
    let isFirst = true;
    device.controller.intervene = () => {
      if (!isFirst) return undefined;
      isFirst = false;
      return "lost";
    };
    expect(await device.ask()).toMatchObject({ type: "issued" });
    expect(device.controller.issued.size).toBe(1);
  });

  it("ends with a typed error when the cable is pulled", async () => {
    device.controller.link.isCut = true;
    expect(await device.ask()).toBeInstanceOf(FleetError);
    expect(await device.ask()).toMatchObject({ code: "offline" });
  });
});
