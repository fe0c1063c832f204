import { randomBytes } from "node:crypto";
import { decodeCourierFile, encodeCourierFile, maxCourierBytes } from "@fleetcert/proto";
import type { ProviderKey } from "@fleetcert/shared";
import { beforeEach, describe, expect, it } from "vitest";
import { DesiredKeeper } from "../../../agent/src/connection/desired-keeper.ts";
import { SequenceBlocks } from "../../../agent/src/connection/sequence-blocks.ts";
import { type Courier, openCourier } from "../../../agent/src/courier/courier.ts";
import { Outbox } from "../../../agent/src/outbox/outbox.ts";
import { RevocationCache } from "../../../agent/src/revocation/revocation-cache.ts";
import { openTimeKeeper } from "../../../agent/src/time/time-keeper.ts";
import { openTrustKeeper } from "../../../agent/src/trust/trust-keeper.ts";
import { KeptLog } from "../../support/agent/agent-surroundings.ts";
import { CrashingStateStore, PowerCut } from "../../support/agent/crashing-state-store.ts";
import { anEvent, aReport } from "../../support/agent/outbox-bodies.ts";
import { anEnrolledDevice, startTestController, type TestController } from "../../support/controller/controller.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const day = 86_400_000;
const never = new AbortController().signal;

let controller: TestController;
let device: Awaited<ReturnType<typeof anEnrolledDevice>>;

beforeEach(async () => {
  controller = await startTestController();
  device = await anEnrolledDevice(controller, "edge-1");
  await controller.revocation.publish();
});

/** The courier's duty of a device over a store, as a new process opens it; without slots that rotate. */
async function open(state: CrashingStateStore, clock = new ManualClock(controller.world.clock.now())) {
  const log = new KeptLog();
  const time = await openTimeKeeper({ clock, state, buildTime: 0, log });
  const pin = { rootSha256: controller.world.pki.root.sha256, fleet: "demo" };
  const trust = await openTrustKeeper({ state, pin, time, log });
  await trust.accept(controller.world.pki.envelope);
  const outbox = await Outbox.open({ state, log });
  const desired = await DesiredKeeper.open(state);
  const sequences = await SequenceBlocks.open(state, "courier");
  const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)), fraction: () => 0.5 };
  const patches = { apply: () => Promise.reject(new Error("bundles carry no patches")) };
  const revocation = await RevocationCache.open({
    ...{ state, trust, time, log, patches, keepsLists: true },
    failOpenFor: () => 0,
  });
  const courier: Courier = openCourier({
    ...{
      fleet: "demo",
      device: device.id,
      rootSha256: pin.rootSha256,
      state,
      trust,
      time,
      random,
      log,
      outbox,
      revocation,
      keepsLists: true,
    },
    slots: [],
    identity: async () => ({ current: { generation: 1, key: device.key as ProviderKey }, next: undefined }),
    hasEnrolled: () => true,
    claim: () => Promise.reject(new Error("this device has enrolled")),
    nextCounter: () => sequences.next(),
    newMessageId: () => randomBytes(16).toString("hex"),
    report: () => aReport(1),
    desired: (wish, envelope) => desired.accept(wish, envelope),
    applied: () => undefined,
  });
  return { courier, outbox, revocation, time, clock, state };
}

const exchange = async (bundle: Uint8Array) => (await controller.courier.exchange("operator:alice", bundle)).reply;

/** What has to be the same in the end, however often the power went. */
async function contents(state: CrashingStateStore) {
  const { outbox, revocation } = await open(state.restart());
  return {
    waiting: outbox.waiting().map(({ body }) => body.type),
    epochs: revocation.epochs(),
    keys: [...state.disk.keys()].filter((key) => !key.startsWith("outbox/")).sort(),
  };
}

describe("a reply whose import the power cuts off", () => {
  it("goes on with the same file, wherever it was cut, and ends as if nothing had happened (I10)", async () => {
    const prepared = new CrashingStateStore();
    const first = await open(prepared);
    await first.outbox.enqueue(anEvent("door-opened"));
    const reply = await exchange((await first.courier.pack({ renew: false })).bundle);
    const copy = () => new CrashingStateStore(new Map(prepared.disk));

    const whole = copy();
    const { courier } = await open(whole);
    const before = whole.writes;
    expect(await courier.apply(reply, never)).toMatchObject({ received: 1, hasTime: true, problems: [] });
    const writes = whole.writes - before;
    expect(writes).toBeGreaterThan(5);
    const expected = await contents(whole);
    expect(expected.waiting).toEqual(["ack"]);

    for (let inWrites = 1; inWrites <= writes; inWrites++) {
      for (const afterDisk of [false, true]) {
        const state = copy();
        const cut = await open(state);
        state.cutPower({ inWrites, afterDisk });
        await expect(cut.courier.apply(reply, never)).rejects.toBeInstanceOf(PowerCut);
        const restarted = state.restart();
        const again = await open(restarted);
        // After the last write it was done; the device says so.
        const outcome = await again.courier.apply(reply, never).catch((error: { code: string }) => error.code);
        if (typeof outcome === "string")
          expect([outcome, inWrites, afterDisk]).toEqual(["message-replayed", writes, true]);
        const { epochs, waiting, keys } = await contents(restarted);
        expect({ epochs, keys }).toEqual({ epochs: expected.epochs, keys: expected.keys });
        expect(waiting).not.toContain("event");
      }
    }
  });
});

describe("the end of a reply", () => {
  const later = async (elapsed: number) => {
    const state = new CrashingStateStore();
    const device = await open(state);
    const reply = await exchange((await device.courier.pack({ renew: false })).bundle);
    device.clock.advance(elapsed);
    return { ...device, reply };
  };

  it("is judged by a time that somebody vouched for", async () => {
    const { courier, time, clock, reply, state } = await later(31 * day);
    await time.accept(clock.now(), "token");
    const before = new Map(state.disk);
    await expect(courier.apply(reply, never)).rejects.toMatchObject({ code: "message-expired" });
    expect(state.disk).toEqual(before);
  });

  it("is judged by the floor, which is certain", async () => {
    const { courier, time, clock, reply } = await later(31 * day);
    await time.accept(clock.now(), "message");
    await expect(courier.apply(reply, never)).rejects.toMatchObject({ code: "message-expired" });
  });

  it("is not judged by a wall clock alone: it may be years wrong", async () => {
    const { courier, reply } = await later(400 * day);
    expect(await courier.apply(reply, never)).toMatchObject({ hasTime: true });
  });
});

describe("a reply", () => {
  it("without the nonce of the export it names is refused, though the controller signed it", async () => {
    const state = new CrashingStateStore();
    const { courier } = await open(state);
    const { bundle } = await courier.pack({ renew: false });
    const reply = await exchange(bundle);
    const exports = state.disk.get("courier/exports");
    const text = Buffer.from(exports ?? []).toString();
    state.disk.set("courier/exports", Buffer.from(text.replace(/"nonce":"../, '"nonce":"00')));
    await expect(courier.apply(reply, never)).rejects.toMatchObject({ code: "message-replayed" });
  });

  it("with an answer to another export of the device is refused", async () => {
    const state = new CrashingStateStore();
    const { courier } = await open(state);
    const first = await exchange((await courier.pack({ renew: false })).bundle);
    const second = await exchange((await courier.pack({ renew: false })).bundle);
    const [one, other] = [first, second].map((bytes) => decodeCourierFile(bytes, maxCourierBytes.reply));
    const mixed = {
      manifest: other?.manifest ?? new Uint8Array(),
      parts: [...(other?.parts ?? []), ...(one?.parts ?? [])],
    };
    await expect(courier.apply(encodeCourierFile(mixed), never)).rejects.toMatchObject({ code: "signature-invalid" });
    expect(await courier.apply(second, never)).toMatchObject({ hasTime: true });
  });
});
