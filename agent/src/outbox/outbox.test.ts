import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore, PowerCut } from "../../../test/support/agent/crashing-state-store.ts";
import { anAck, anEvent, aReport } from "../../../test/support/agent/outbox-bodies.ts";
import { type OutboxBody, type OutboxEntry, overflowName } from "./make-room.ts";
import { Outbox, outboxTypes } from "./outbox.ts";

const nothing: ReadonlySet<string> = new Set();

describe("the outbox", () => {
  it("keeps what was put in across a restart, in order for each type", async () => {
    const state = new CrashingStateStore();
    const outbox = await open(state);
    for (const body of [anEvent("a"), anAck(1), anEvent("b"), aReport(1), anAck(2)]) await outbox.enqueue(body);
    const restarted = await open(state.restart());
    expect(await drainAll(restarted)).toEqual([anEvent("a"), anEvent("b"), anAck(1), anAck(2), aReport(1)]);
    expect((await open(state.restart())).length).toBe(0);
  });

  it("removes only what was received", async () => {
    const state = new CrashingStateStore();
    const outbox = await open(state);
    await outbox.enqueue(anEvent("a"));
    const entry = outbox.take("event", nothing);
    outbox.putBack(entry as OutboxEntry);
    expect((await open(state.restart())).take("event", nothing)?.body).toEqual(anEvent("a"));
  });

  it("does not lose a second event that came while the first, equal one was being sent", async () => {
    const outbox = await open(new CrashingStateStore());
    await outbox.enqueue(anEvent("a"));
    const sent = outbox.take("event", nothing);
    await outbox.enqueue(anEvent("a"));
    await outbox.received(sent as OutboxEntry);
    expect(outbox.take("event", nothing)?.body).toEqual(anEvent("a"));
  });

  it("does not lose a count that was added after the message was given up and before its answer came", async () => {
    const state = new CrashingStateStore();
    const outbox = await open(state);
    await outbox.enqueue(anEvent("a"));
    const sent = outbox.take("event", nothing) as OutboxEntry;
    outbox.putBack(sent);
    await outbox.enqueue(anEvent("a"));
    await outbox.received(sent);
    const restarted = await open(state.restart());
    expect(restarted.take("event", nothing)?.body).toEqual(anEvent("a", { count: "2" }));
  });

  it("keeps the newer report when the one being sent was replaced and then received", async () => {
    const outbox = await open(new CrashingStateStore());
    await outbox.enqueue(aReport(1));
    const sent = outbox.take("report", nothing);
    await outbox.enqueue(aReport(2));
    await outbox.received(sent as OutboxEntry);
    expect(outbox.take("report", nothing)?.body).toEqual(aReport(2));
  });

  it("takes many at once in the order they were given", async () => {
    const outbox = await open(new CrashingStateStore());
    await Promise.all(Array.from({ length: 20 }, (_, index) => outbox.enqueue(anAck(index))));
    expect(await drainAll(outbox)).toEqual(Array.from({ length: 20 }, (_, index) => anAck(index)));
  });

  it("leaves out an entry it cannot read, says so, and puts new ones behind it", async () => {
    const state = new CrashingStateStore();
    await (await open(state)).enqueue(anEvent("a"));
    state.disk.set("outbox/0000000000000007", new Uint8Array([0xff]));
    const log = new KeptLog();
    const restarted = await Outbox.open({ state: state.restart(), log });
    await restarted.enqueue(anEvent("b"));
    expect(await drainAll(restarted)).toEqual([anEvent("a"), anEvent("b")]);
    expect(log.lines).toMatchObject([{ level: "error", fields: { key: "outbox/0000000000000007" } }]);
    expect([...state.disk.keys()]).toEqual(["outbox/0000000000000007"]);
  });

  it("says when something new of a type came", async () => {
    const outbox = await open(new CrashingStateStore());
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = outboxTypes.map((type) => outbox.changed(type, stop.signal).then(() => seen.push(type)));
    await outbox.enqueue(anAck(1));
    stop.abort(new Error("stop"));
    await Promise.allSettled(watching);
    expect(seen).toEqual(["ack"]);
  });

  it("loses nothing it took and stays within its bounds, wherever the power is cut (I10)", async () => {
    const numRuns = process.env["FLEETCERT_LONG"] === "1" ? 5000 : 150;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 40 }), async (actions) => {
        const run = new CutRun();
        await run.begin();
        for (const one of actions) await run.act(one);
        await run.checkAtEnd();
      }),
      { numRuns },
    );
  });
});

const bounds = { maxEntries: 6, maxBytes: 2000 };

const action = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("put" as const), type: fc.constantFrom(...outboxTypes) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("send" as const), type: fc.constantFrom(...outboxTypes) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("cut" as const),
      inWrites: fc.integer({ min: 1, max: 4 }),
      afterDisk: fc.boolean(),
    }),
  },
);

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** An outbox whose power is cut now and then, beside a record of what it has promised. */
class CutRun {
  #state = new CrashingStateStore();
  #outbox: Outbox | undefined;
  #made = 0;
  /** Events and acks taken and not yet received, in order; `maybe` were under way when the power went. */
  readonly #promised = { event: [] as OutboxBody[], ack: [] as OutboxBody[] };
  readonly #maybe = new Set<OutboxBody>();
  readonly #maybeGone = new Set<string>();
  /** Acks that were promised when the power went in the writing of a higher one. */
  /** Events told by their count alone: taken and not yet received, and those that were under way when the power went. */
  #counted = 0;
  #maybeCounted = 0;
  readonly #maybeReplaced: { readonly older: readonly string[]; readonly by: string }[] = [];

  async begin(): Promise<void> {
    this.#outbox = await open(this.#state, bounds);
  }

  async act(one: Action): Promise<void> {
    if (one.do === "cut") return this.#state.cutPower(one);
    try {
      if (one.do === "restart") await this.#restart();
      else if (one.do === "put") await this.#put(one.type);
      else await this.#send(one.type);
    } catch (error) {
      expect(error).toBeInstanceOf(PowerCut);
      await this.#restart();
    }
    // One beyond them counts the events that found no room.
    const counting = this.#outbox?.waiting().filter(isOverflow).length ?? 0;
    expect(counting).toBeLessThanOrEqual(1);
    expect((this.#outbox?.length ?? 0) - counting).toBeLessThanOrEqual(bounds.maxEntries);
  }

  async checkAtEnd(): Promise<void> {
    await this.#restart();
    const all = await drainAll(this.#outbox as Outbox);
    const left = all.filter((body) => !isOverflow({ body }));
    const counted = all.filter((body) => isOverflow({ body })).reduce((sum, body) => sum + countIn(body), 0);
    expect(counted).toBeGreaterThanOrEqual(this.#counted);
    expect(counted).toBeLessThanOrEqual(this.#counted + this.#maybeCounted);
    for (const type of ["event", "ack"] as const) {
      const found = left.filter((body) => body.type === type).map((body) => JSON.stringify(body));
      const promised = this.#promised[type].map((body) => JSON.stringify(body));
      const replaced = this.#maybeReplaced.filter(({ by }) => found.includes(by)).flatMap(({ older }) => older);
      const needed = promised.filter((body) => !this.#maybeGone.has(body) && !replaced.includes(body));
      const allowed = [...promised, ...[...this.#maybe].map((body) => JSON.stringify(body))];
      expect(needed.filter((body) => !found.includes(body))).toEqual([]);
      expect(found.filter((body) => !allowed.includes(body))).toEqual([]);
      expect(found.filter((body) => promised.includes(body))).toEqual(promised.filter((body) => found.includes(body)));
    }
  }

  async #put(type: OutboxBody["type"]): Promise<void> {
    const number = this.#made++;
    const body = type === "event" ? anEvent(`e${number}`) : type === "ack" ? anAck(number) : aReport(number);
    this.#maybe.add(body);
    try {
      await this.#outbox?.enqueue(body);
    } catch (error) {
      if (error instanceof PowerCut && type === "ack") {
        const older = this.#promised.ack.map((ack) => JSON.stringify(ack));
        this.#maybeReplaced.push({ older, by: JSON.stringify(body) });
      }
      if (error instanceof PowerCut && type === "event") this.#maybeCounted += 1;
      if (error instanceof PowerCut) throw error;
      expect(error).toMatchObject({ code: "rate-limited" });
      this.#maybe.delete(body);
      return;
    }
    this.#maybe.delete(body);
    if (type === "report") return;
    if (type === "event" && this.#outbox?.waiting().every((entry) => entry.body !== body)) {
      this.#counted += 1;
      return;
    }
    // For want of room a higher epoch may have taken the place of lower ones: it says the same and more.
    if (type === "ack") for (const older of this.#promised.ack) this.#maybeGone.add(JSON.stringify(older));
    this.#promised[type].push(body);
  }

  async #send(type: OutboxBody["type"]): Promise<void> {
    const entry = this.#outbox?.take(type, nothing);
    if (entry === undefined) return;
    if (isOverflow(entry)) {
      const count = countIn(entry.body);
      this.#counted -= count;
      this.#maybeCounted += count;
    } else if (type !== "report") this.#maybeGone.add(JSON.stringify(entry.body));
    await this.#outbox?.received(entry);
  }

  async #restart(): Promise<void> {
    this.#state = this.#state.restart();
    await this.begin();
  }
}

function isOverflow({ body }: { readonly body: OutboxBody }): boolean {
  return body.type === "event" && body.name === overflowName;
}

function countIn(body: OutboxBody): number {
  if (body.type !== "event") return 0;
  return Object.values(body.details).reduce((sum, count) => sum + Number(count), 0);
}

function open(state: CrashingStateStore, within?: typeof bounds): Promise<Outbox> {
  return Outbox.open({ state, log: new KeptLog(), ...(within && { bounds: within }) });
}

async function drainAll(outbox: Outbox): Promise<OutboxBody[]> {
  const bodies: OutboxBody[] = [];
  for (const type of outboxTypes) {
    for (let entry = outbox.take(type, nothing); entry !== undefined; entry = outbox.take(type, nothing)) {
      bodies.push(entry.body);
      await outbox.received(entry);
    }
  }
  return bodies;
}
