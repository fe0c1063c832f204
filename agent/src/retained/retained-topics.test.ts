import { formatTopic, parseTopic, type Topic } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { KeptLog, SteppedTimer, settled } from "../../../test/support/agent/agent-surroundings.ts";
import { RetainedTopics } from "./retained-topics.ts";

describe("fetching retained topics", () => {
  it("gives one payload for each topic in the order asked, whatever the order they come in", async () => {
    const { retained, broker } = aBroker();
    for (let version = 39; version >= 0; version--) broker.keep(version);
    const payloads = await retained.fetch(versions(40), signal);
    expect(payloads.map((payload) => payload[0])).toEqual(Array.from({ length: 40 }, (_, index) => index));
  });

  it("subscribes to a few at a time and leaves no subscription behind", async () => {
    const { retained, broker } = aBroker();
    for (let version = 0; version < 40; version++) broker.keep(version);
    await retained.fetch(versions(40), signal);
    expect([broker.most, broker.subscribed.size]).toEqual([16, 0]);
  });

  it("gives up with timeout when one does not come, and with undefined where that is an answer", async () => {
    const { retained, broker, timer } = aBroker();
    broker.keep(1);
    const strict = retained.fetch(versions(2), signal);
    const lenient = retained.fetchKept(versions(2), signal);
    const refusal = expect(strict).rejects.toThrow(expect.objectContaining({ code: "timeout", retry: true }));
    for (let turn = 0; turn < 4; turn++) await timer.wakeAll();
    await refusal;
    expect((await lenient).map((payload) => payload?.[0])).toEqual([undefined, 1]);
    expect(broker.subscribed.size).toBe(0);
  });

  it("waits on while something still comes", async () => {
    const { retained, timer } = aBroker();
    const fetched = retained.fetch(versions(3), signal);
    await settled();
    for (const version of [0, 1, 2]) {
      retained.offer({ type: "trust-version", version }, Uint8Array.of(version));
      await timer.wakeAll();
    }
    expect(await fetched).toHaveLength(3);
    await settled();
    expect(timer.sleeping).toEqual([]);
  });

  it("ignores what nobody asked for, what is empty and what is larger than any part", async () => {
    const { retained, timer } = aBroker();
    const fetched = retained.fetchKept(versions(1), signal);
    await settled();
    const [topic] = versions(1) as [Topic];
    retained.offer({ type: "trust-version", version: 9 }, Uint8Array.of(9));
    retained.offer(topic, new Uint8Array(0));
    retained.offer(topic, new Uint8Array(64 * 1024 + 1));
    await timer.wakeAll();
    expect(await fetched).toEqual([undefined]);
  });

  it("rejects at once without a session, and when it is told to stop", async () => {
    const stop = new AbortController();
    const { retained, broker } = aBroker();
    const fetched = retained.fetch(versions(1), stop.signal);
    const stopped = expect(fetched).rejects.toThrow("stop");
    await settled();
    stop.abort(new Error("stop"));
    await stopped;
    broker.isOffline = true;
    await expect(retained.fetch(versions(1), signal)).rejects.toThrow(expect.objectContaining({ code: "offline" }));
  });
});

const { signal } = new AbortController();

function versions(count: number): Topic[] {
  return Array.from({ length: count }, (_, version) => ({ type: "trust-version", version }));
}

/** A broker that delivers what is kept when it is subscribed to; the payload is the version. */
function aBroker() {
  const timer = new SteppedTimer();
  const broker = {
    kept: new Map<string, Uint8Array>(),
    subscribed: new Set<string>(),
    most: 0,
    isOffline: false,
    keep: (version: number) => broker.kept.set(formatTopic({ type: "trust-version", version }), Uint8Array.of(version)),
    async subscribe(filters: readonly string[]) {
      if (broker.isOffline) throw new FleetError("offline", "no session");
      for (const filter of filters) broker.subscribed.add(filter);
      broker.most = Math.max(broker.most, broker.subscribed.size);
      queueMicrotask(() => {
        for (const filter of filters) {
          const payload = broker.kept.get(filter);
          if (payload !== undefined) retained.offer(parseTopic(filter) as Topic, payload);
        }
      });
    },
    async unsubscribe(filters: readonly string[]) {
      if (broker.isOffline) throw new FleetError("offline", "no session");
      for (const filter of filters) broker.subscribed.delete(filter);
    },
  };
  const retained = new RetainedTopics({ topics: broker, timer, log: new KeptLog(), patience: 1000 });
  return { retained, broker, timer };
}
