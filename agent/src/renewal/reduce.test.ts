import { describe, expect, it } from "vitest";
import type { Moment, RenewalEvent } from "./event.ts";
import { type Reduction, reduce } from "./reduce.ts";
import { noRules } from "./schedule.ts";
import type { RenewalSettings } from "./settings.ts";
import { type CredentialRecord, emptySlot, type Journal, type SlotState } from "./slot-state.ts";

const day = 86_400_000;
const now = Date.UTC(2026, 5, 15);
const settings: RenewalSettings = { backoff: { base: 5_000, cap: 900_000 }, lookAgainAfter: 3_600_000, rules: noRules };
const key = (name: string) => ({ ref: `software:${name}`, id: name });

function aCredential(generation: number, changes: Partial<CredentialRecord> = {}): CredentialRecord {
  const octets = Uint8Array.of(generation);
  return {
    generation,
    key: key(`k${generation}`),
    certificate: octets,
    chain: [],
    notBefore: now,
    notAfter: now + 90 * day,
    ...changes,
  };
}

const aSlot = (journal: Journal, changes: Partial<SlotState> = {}): SlotState => ({
  ...emptySlot,
  current: aCredential(1),
  journal,
  ...changes,
});

function after(state: SlotState, event: RenewalEvent, moment: Partial<Moment> = {}): Reduction {
  return reduce(state, event, { now, jitter: 0.5, isAnchored: true, ...moment }, settings);
}

const doing = ({ effects }: Reduction) => effects.map((effect) => effect.do);
const requested = aSlot({ at: "requested", generation: 2, key: key("k2"), csr: Uint8Array.of(2) });
const proving = aSlot({ at: "proving", next: aCredential(2) });
const failed = (doing: "request" | "prove" | "makeCsr" | "destroy", code: string, keyId = "k2"): RenewalEvent => ({
  type: "failed",
  doing,
  keyId,
  code,
  reason: code,
  retryAfter: 0,
});

describe("a rotation", () => {
  it("names the generation before its key exists, and collects orphans first", () => {
    const reduction = after(aSlot({ at: "idle" }), { type: "wanted" });
    expect(reduction.state.journal).toEqual({ at: "intended", generation: 2 });
    expect(reduction.effects).toEqual([
      { do: "collect", keep: ["k1"], upTo: 1 },
      { do: "generate", generation: 2, inUse: ["k1"], upTo: 2 },
    ]);
  });

  it("goes from key to request to certificate to proof, one durable state at a time", () => {
    let reduction = after(aSlot({ at: "intended", generation: 2 }), {
      type: "keyReady",
      generation: 2,
      key: key("k2"),
    });
    expect([reduction.state.journal.at, doing(reduction)]).toEqual(["keyGenerated", ["makeCsr", "report"]]);
    reduction = after(reduction.state, { type: "csrReady", keyId: "k2", csr: Uint8Array.of(2) });
    expect([reduction.state.journal.at, doing(reduction)]).toEqual(["requested", ["request", "report"]]);
    const { generation: _, key: __, ...issued } = aCredential(2);
    reduction = after(reduction.state, { type: "issued", keyId: "k2", issued });
    expect([reduction.state.journal.at, doing(reduction)]).toEqual(["issued", ["install", "report"]]);
    reduction = after(reduction.state, { type: "installed", keyId: "k2", round: 0 });
    expect([reduction.state.journal.at, doing(reduction)]).toEqual(["installed", ["sleep", "report"]]);
    reduction = after(reduction.state, { type: "woke" });
    expect([reduction.state.journal.at, doing(reduction)]).toEqual(["proving", ["prove", "report"]]);
    expect(reduction.state.current).toEqual(aCredential(1));
  });

  it("I1: keeps the old credential until the controller has confirmed the new one, and its grace is over", () => {
    const confirmed = after(proving, { type: "proven", keyId: "k2", grace: 60_000 });
    expect(confirmed.state).toMatchObject({
      current: aCredential(2),
      journal: { at: "confirmed", old: aCredential(1) },
    });
    expect(confirmed.effects).toContainEqual({ do: "sleep", duration: 60_000 });
    expect(doing(confirmed)).not.toContain("destroy");
    const retired = after(confirmed.state, { type: "woke" });
    expect(retired.state.journal).toEqual({ at: "oldRetired", key: key("k1") });
    expect(retired.effects).toContainEqual({ do: "destroy", key: key("k1") });
    expect(after(retired.state, { type: "destroyed", keyId: "k1" }).state.journal).toEqual({ at: "idle" });
  });

  it("needs no old credential for generation 1", () => {
    const first = aSlot({ at: "proving", next: aCredential(1) }, { current: undefined });
    expect(after(first, { type: "proven", keyId: "k1", grace: 60_000 }).state).toMatchObject({
      current: aCredential(1),
      journal: { at: "idle" },
    });
  });

  it("takes no answer about another key, none that comes twice, and none out of its time", () => {
    const { generation: _, key: __, ...issued } = aCredential(2);
    const strays: RenewalEvent[] = [
      { type: "issued", keyId: "k9", issued },
      { type: "installed", keyId: "k2", round: 0 },
      { type: "proven", keyId: "k2", grace: 0 },
      { type: "destroyed", keyId: "k2" },
      { type: "keyReady", generation: 2, key: key("k2") },
      failed("prove", "denied"),
    ];
    for (const stray of strays) expect(after(requested, stray)).toEqual({ state: requested, effects: [] });
  });

  it("asks for the same again after a restart, whatever the state", () => {
    expect(after(requested, { type: "started" }).effects).toContainEqual(
      expect.objectContaining({ do: "request", generation: 2, key: key("k2"), asker: aCredential(1) }),
    );
    expect(after(proving, { type: "started" }).effects).toContainEqual({ do: "prove", next: aCredential(2) });
  });

  it("waits no longer than the grace, even when the clock went back by years", () => {
    const confirmed = after(proving, { type: "proven", keyId: "k2", grace: 60_000 }).state;
    const restarted = after(confirmed, { type: "started" }, { now: now - 20 * 365 * day });
    expect(restarted.effects).toContainEqual({ do: "sleep", duration: 60_000 });
  });
});

describe("what fails", () => {
  it("is tried again after a backoff that grows up to its cap, and is never final", () => {
    let state = requested;
    const sleeps = Array.from({ length: 12 }, () => {
      const reduction = after(state, failed("request", "policy-violation"));
      state = reduction.state;
      const sleep = reduction.effects.find((effect) => effect.do === "sleep");
      return sleep?.do === "sleep" ? sleep.duration : -1;
    });
    expect(sleeps.slice(0, 3)).toEqual([5_000, 10_000, 20_000]);
    expect(sleeps.at(-1)).toBe(450_000);
    expect(state.journal.at).toBe("requested");
    expect(doing(after(state, { type: "woke" }))).toEqual(["request"]);
  });

  it("heeds when the controller says to come back, up to a day", () => {
    const late = after(requested, { ...failed("request", "rate-limited"), retryAfter: 60_000 } as RenewalEvent);
    expect(late.effects).toContainEqual({ do: "sleep", duration: 65_000 });
    const never = after(requested, { ...failed("request", "rate-limited"), retryAfter: 1e15 } as RenewalEvent);
    expect(never.effects).toContainEqual({ do: "sleep", duration: day + 5_000 });
  });

  it("is tried at once when the link is back, if only the link was missing", () => {
    const offline = after(requested, failed("request", "offline")).state;
    expect(doing(after(offline, { type: "connected" }))).toEqual(["request"]);
    const refused = after(requested, failed("request", "device-suspended")).state;
    expect(doing(after(refused, { type: "connected" }))).toEqual([]);
  });

  it("gives a key up that the controller will not have, destroys it and tries another after a pause", () => {
    const abandoned = after(requested, failed("request", "key-weak"));
    expect(abandoned.state.journal).toEqual({ at: "abandoned", key: key("k2") });
    expect(doing(abandoned)).toEqual(["destroy", "report"]);
    const idle = after(abandoned.state, { type: "destroyed", keyId: "k2" });
    expect(idle.state).toMatchObject({ journal: { at: "idle" }, abandoned: 1 });
    expect(idle.effects).toContainEqual({ do: "sleep", duration: 5_000 });
  });

  it.each(["key-not-found", "key-attributes-wrong"])(
    "gives a key up when the token says %s of it for long, not when it does once",
    (code) => {
      const once = after(requested, failed("request", code));
      expect(once.state.journal.at).toBe("requested");
      const thrice = after(after(once.state, failed("request", code)).state, failed("request", code));
      expect(thrice.state.journal.at).toBe("abandoned");
    },
  );

  it("keeps a key that the controller may have seen proven for long, and both credentials after that", () => {
    let state = proving;
    for (let tries = 0; tries < 11; tries++) state = after(state, failed("prove", "key-not-found")).state;
    expect(state.journal.at).toBe("proving");
    const inDoubt = after(state, failed("prove", "key-not-found"));
    expect(inDoubt.state).toMatchObject({ current: aCredential(1), unproven: aCredential(2), journal: { at: "idle" } });
    expect(doing(inDoubt)).not.toContain("destroy");
  });

  it("does not let an old key that cannot be deleted hold up the next rotation", () => {
    let state = aSlot({ at: "oldRetired", key: key("k0") });
    for (let tries = 0; tries < 5; tries++) state = after(state, failed("destroy", "token-error", "k0")).state;
    expect(state.journal).toEqual({ at: "idle" });
  });
});

describe("an expired credential whose proof was never answered", () => {
  const late = { now: now + 100 * day };
  const inDoubt = after(proving, { type: "woke" }, late).state;

  it("is kept beside the current one, because either may be the last proven", () => {
    expect(inDoubt).toMatchObject({ current: aCredential(1), unproven: aCredential(2), journal: { at: "idle" } });
  });

  it("is not taken for expired on the word of a clock nobody vouched for", () => {
    expect(after(proving, { type: "woke" }, { ...late, isAnchored: false }).state).toBe(proving);
  });

  it("lets each of the two ask in its turn, until one is believed", () => {
    const first = after(inDoubt, { type: "woke" }, late);
    expect(first.state.journal).toEqual({ at: "intended", generation: 3 });
    const key3 = aSlot(
      { at: "requested", generation: 3, key: key("k3"), csr: Uint8Array.of(3) },
      { unproven: aCredential(2) },
    );
    const refused = after(key3, failed("request", "signer-not-allowed", "k3"), late);
    expect(refused.state.journal).toEqual({ at: "abandoned", key: key("k3") });
    const second = after({ ...refused.state, journal: { at: "idle" } }, { type: "woke" }, late);
    expect(second.state.journal).toEqual({ at: "intended", generation: 2 });
    const { generation: _, key: __, ...issued } = aCredential(3);
    const believed = after(key3, { type: "issued", keyId: "k3", issued }, late);
    expect(believed.state).toMatchObject({ current: aCredential(2), unproven: undefined, journal: { at: "issued" } });
    expect(believed.effects).toContainEqual({ do: "destroy", key: key("k1") });
  });
});

describe("when", () => {
  const idle = aSlot({ at: "idle" });

  it("is two thirds of the lifetime and a little more, chosen once", () => {
    const planned = after(idle, { type: "started" }).state;
    expect(planned.plan?.at).toBe(now + 90 * day * (2 / 3 + 1 / 24));
    expect(after(planned, { type: "started" }, { jitter: 0.9 }).state.plan).toBe(planned.plan);
  });

  it("is a point in the window the controller assigned, and at once when the window is over", () => {
    const window = { generation: 2, start: now + day, end: now + 3 * day };
    expect(after(idle, { type: "window", window }).state.plan?.at).toBe(now + 2 * day);
    const over = { generation: 2, start: now - 3 * day, end: now - day };
    expect(after(idle, { type: "window", window: over }).state.journal.at).toBe("intended");
    const other = { generation: 7, start: now, end: now };
    expect(after(idle, { type: "window", window: other }).state.plan?.window).toBeUndefined();
  });

  it("is the age again when the window is taken back", () => {
    const window = { generation: 2, start: now + day, end: now + 3 * day };
    const assigned = after(idle, { type: "window", window }).state;
    expect(after(assigned, { type: "window", window: undefined }).state.plan?.window).toBeUndefined();
  });

  it("does not come early because a clock that nobody vouched for says so", () => {
    const due = { now: now + 70 * day, isAnchored: false };
    expect(after(idle, { type: "started" }, due).state.journal.at).toBe("idle");
    expect(after(idle, { type: "connected" }, { ...due, isAnchored: true }).state.journal.at).toBe("intended");
  });

  it("comes without a vouched time when the credential has expired and no session came to vouch for one", () => {
    const expired = { now: now + 91 * day, isAnchored: false };
    const started = after(idle, { type: "started" }, expired);
    expect(started.state.journal.at).toBe("idle");
    expect(started.effects).toContainEqual({ do: "sleep", duration: 60_000 });
    expect(after(started.state, { type: "woke" }, expired).state.journal.at).toBe("intended");
  });
});

describe("a time that came without a session", () => {
  it("begins the renewal of what has expired, and leaves a proof its own pace", () => {
    const late = { now: now + 100 * day };
    expect(doing(after(aSlot({ at: "idle" }), { type: "anchored" }, late))).toContain("generate");
    expect(doing(after(aSlot({ at: "idle" }), { type: "anchored" }))).toEqual(["sleep"]);
    const refused = after(proving, failed("prove", "denied")).state;
    expect(after(refused, { type: "anchored" })).toEqual({ state: refused, effects: [] });
    expect(after(refused, { type: "anchored" }, late).state).toMatchObject({
      unproven: aCredential(2),
      current: aCredential(1),
    });
  });
});

describe("a device that a person permits to enrol anew", () => {
  const permitted = { type: "permitted", generation: 4 } as const;
  const anew = after(aSlot({ at: "idle" }), permitted);

  it("makes a new key of the permitted generation and asks by its claim, the old credential untouched", () => {
    expect(anew.effects).toEqual([
      { do: "collect", keep: ["k1"], upTo: 1 },
      { do: "generate", generation: 4, inUse: ["k1"], upTo: 4, store: undefined },
    ]);
    const made = after(anew.state, { type: "keyReady", generation: 4, key: key("k4") }).state;
    const asks = after(made, { type: "csrReady", keyId: "k4", csr: Uint8Array.of(4) });
    expect(asks.effects[0]).toMatchObject({ do: "request", generation: 4, asker: undefined });
    expect(asks.state.current).toEqual(aCredential(1));
  });

  it("asks by its claim also when the permitted generation is the next one", () => {
    const next = after(aSlot({ at: "idle" }), { type: "permitted", generation: 2 }).state;
    const made = after(next, { type: "keyReady", generation: 2, key: key("k2") }).state;
    const asks = after(made, { type: "csrReady", keyId: "k2", csr: Uint8Array.of(2) });
    expect(asks.effects[0]).toMatchObject({ do: "request", asker: undefined });
  });

  it("I1: gives the old credential and what was in doubt up only when the new one is proven", () => {
    const inDoubt = after(proving, permitted).state;
    expect(inDoubt).toMatchObject({ current: aCredential(1), unproven: aCredential(2), reenrolment: 4 });
    const isAt = (journal: Journal): SlotState => ({ ...inDoubt, journal });
    const issued = after(isAt({ at: "requested", generation: 4, key: key("k4"), csr: Uint8Array.of(4) }), {
      type: "issued",
      keyId: "k4",
      issued: aCredential(4),
    });
    expect(doing(issued)).not.toContain("destroy");
    expect(issued.state).toMatchObject({ current: aCredential(1), unproven: aCredential(2) });
    const confirmed = after(isAt({ at: "proving", next: aCredential(4) }), { type: "proven", keyId: "k4", grace: 0 });
    expect(confirmed.state).toMatchObject({ current: aCredential(4), unproven: undefined, reenrolment: 0 });
    expect(confirmed.effects).toContainEqual({ do: "destroy", key: key("k2") });
  });

  it("gives up what was asked under the old credential, with its key", () => {
    const reduction = after(requested, permitted);
    expect(reduction.state).toMatchObject({ journal: { at: "abandoned", key: key("k2") }, reenrolment: 4 });
    const settled = after(reduction.state, { type: "destroyed", keyId: "k2" }).state;
    expect(after(settled, { type: "woke" }).state.journal).toEqual({ at: "intended", generation: 4 });
  });

  it("begins once, whatever the permission is told again, and not with one that is older than what it has", () => {
    expect(after(anew.state, permitted)).toEqual({ state: anew.state, effects: [] });
    const newer = aSlot({ at: "proving", next: aCredential(4) }, { reenrolment: 4 });
    expect(after(newer, permitted).state).toBe(newer);
    const done = aSlot({ at: "idle" }, { current: aCredential(4) });
    expect(after(done, permitted).state).toBe(done);
  });

  it("goes back to the old credential when its claim is refused for good, and tries for ever when it has none", () => {
    const asking: Journal = { at: "requested", generation: 4, key: key("k4"), csr: Uint8Array.of(4) };
    const refuse = (state: SlotState) => after(state, failed("request", "claim-invalid", "k4")).state;
    const withOld = refuse(refuse(refuse({ ...aSlot(asking), reenrolment: 4 })));
    expect(withOld).toMatchObject({ journal: { at: "abandoned" }, reenrolment: 0, lastError: "claim-invalid" });
    const withNone = refuse(refuse(refuse({ ...aSlot(asking), current: undefined, reenrolment: 4 })));
    expect(withNone).toMatchObject({ journal: asking, reenrolment: 4 });
  });
});

describe("a retired device", () => {
  const retired = after(proving, { type: "retired" });

  it("erases every key, again after a failure and a restart, until it has", () => {
    expect(retired.state).toEqual({ ...emptySlot, journal: { at: "retired", isErased: false } });
    expect(retired.effects).toEqual([{ do: "erase" }]);
    const fault = {
      type: "failed",
      doing: "erase",
      keyId: "",
      code: "token-error",
      reason: "",
      retryAfter: 0,
    } as const;
    const waiting = after(retired.state, fault);
    expect([doing(waiting), waiting.state.lastError]).toEqual([["sleep"], "token-error"]);
    for (const type of ["woke", "started"] as const) {
      expect(after(waiting.state, { type }).effects).toEqual([{ do: "erase" }]);
    }
  });

  it("asks for nothing any more, and does nothing once it has no key", () => {
    for (const type of ["wanted", "connected", "anchored", "retired"] as const) {
      expect(after(retired.state, { type })).toEqual({ state: retired.state, effects: [] });
    }
    const erased = after(retired.state, { type: "erased" }).state;
    expect(erased).toEqual({ ...emptySlot, journal: { at: "retired", isErased: true } });
    for (const type of ["started", "woke", "wanted", "erased"] as const) {
      expect(after(erased, { type })).toEqual({ state: erased, effects: [] });
    }
    expect(after(erased, { type: "permitted", generation: 9 }).state).toBe(erased);
  });
});
