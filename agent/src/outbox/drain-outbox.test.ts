import type { Body, Message } from "@fleetcert/proto";
import { FleetError, type ProviderKey } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { KeptLog, SteppedTimer, settled, steadyRandom } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { anAck, anEvent, aReport } from "../../../test/support/agent/outbox-bodies.ts";
import { until } from "../../../test/support/until.ts";
import { drainOutbox } from "./drain-outbox.ts";
import { Outbox } from "./outbox.ts";

describe("draining the outbox", () => {
  it("tells everything in order and forgets what was received", async () => {
    const { outbox, asked, stop } = await aDrain([anEvent("a"), anAck(1), anEvent("b"), anAck(2)]);
    await until(() => outbox.length === 0);
    expect(asked.filter(({ type }) => type === "event")).toEqual([anEvent("a"), anEvent("b")]);
    expect(asked.filter(({ type }) => type === "ack")).toEqual([anAck(1), anAck(2)]);
    await stop();
  });

  it("tells what comes later as soon as it comes", async () => {
    const { outbox, asked, stop } = await aDrain([]);
    await outbox.enqueue(aReport(1));
    await until(() => outbox.length === 0);
    expect(asked).toEqual([aReport(1)]);
    await stop();
  });

  it("keeps and repeats, with growing pauses, what the controller does not answer", async () => {
    const { outbox, asked, stop, timer } = await aDrain([anEvent("a")], () => {
      throw new FleetError("timeout", "no answer");
    });
    for (let failures = 1; failures <= 3; failures++) {
      await until(() => timer.sleeping.length === 1 && asked.length === failures);
      // Full jitter at its middle: half of 1 s · 2^failures.
      expect(timer.sleeping).toEqual([500 * 2 ** failures]);
      await timer.wakeAll();
    }
    expect(outbox.length).toBe(1);
    await stop();
  });

  it("waits as long as a refusal asks", async () => {
    const { timer, stop } = await aDrain([anAck(1)], () => refusal("device-suspended", 60_000));
    await until(() => timer.sleeping.length === 1);
    expect(timer.sleeping).toEqual([61_000]);
    await stop();
  });

  it("does not let a type that fails hold up another", async () => {
    const { outbox, asked, stop } = await aDrain([anEvent("a"), anAck(1)], (body) =>
      body.type === "event" ? refusal("store-failed", 0) : received,
    );
    await until(() => outbox.length === 1);
    expect(asked.some(({ type }) => type === "ack")).toBe(true);
    expect(outbox.take("event", new Set())?.body).toEqual(anEvent("a"));
    await stop();
  });

  it("passes over an event the controller does not understand, and keeps it", async () => {
    const { outbox, stop } = await aDrain([anEvent("strange"), anEvent("b")], (body) =>
      body.type === "event" && body.name === "strange" ? refusal("version-unsupported", 0) : received,
    );
    await until(() => outbox.length === 1);
    await settled();
    expect(outbox.take("event", new Set())?.body).toEqual(anEvent("strange"));
    await stop();
  });

  it("is not held up by an ack the controller refuses, and forgets it once a higher epoch was received", async () => {
    const { outbox, asked, stop } = await aDrain([anAck(1), anAck(2)], (body) =>
      body.type === "ack" && body.epoch === 1 ? refusal("revocation-invalid", 0) : received,
    );
    await until(() => outbox.length === 0);
    expect(asked).toEqual([anAck(1), anAck(2)]);
    await stop();
  });

  it("drops a report the controller cannot read: the next one comes anyway", async () => {
    const { outbox, stop } = await aDrain([aReport(1)], () => refusal("message-invalid", 0));
    await until(() => outbox.length === 0);
    await stop();
  });

  it("ends quietly with its signal, whatever it was doing", async () => {
    const { outbox, stop } = await aDrain([anEvent("a")], () => new Promise<never>(() => {}));
    await settled();
    await stop();
    expect(outbox.length).toBe(1);
  });
});

const received: Body = { type: "received" };

function refusal(code: string, retryAfter: number): Body {
  return { type: "refused", code, message: "", hint: "", retryAfter, trustBundles: [] };
}

async function aDrain(
  bodies: Parameters<Outbox["enqueue"]>[0][],
  answer: (body: Body) => Body | Promise<never> = () => received,
) {
  const outbox = await Outbox.open({ state: new CrashingStateStore(), log: new KeptLog() });
  for (const body of bodies) await outbox.enqueue(body);
  const asked: Body[] = [];
  const timer = new SteppedTimer();
  const end = new AbortController();
  const conversation = {
    async ask(body: Body, { signal }: { readonly signal: AbortSignal }): Promise<Message> {
      asked.push(body);
      const stopped = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      stopped.catch(() => {});
      return { body: await Promise.race([answer(body), stopped]) } as Message;
    },
    tell: async () => {},
  };
  const signer = () => ({}) as ProviderKey;
  const options = { conversation, signer, timer, random: steadyRandom, log: new KeptLog(), signal: end.signal };
  const drained = drainOutbox(outbox, options);
  const stop = async () => {
    end.abort(new Error("stop"));
    await drained;
  };
  return { outbox, asked, timer, stop };
}
