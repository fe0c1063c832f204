import { describe, expect, it } from "vitest";
import type { Moment, RenewalEvent } from "./event.ts";
import { type Reduction, reduce } from "./reduce.ts";
import { noRules } from "./schedule.ts";
import type { RenewalSettings } from "./settings.ts";
import { type CredentialRecord, emptySlot, type Journal, type SlotState } from "./slot-state.ts";

const day = 86_400_000;
const now = Date.UTC(2026, 5, 15);
const settings: RenewalSettings = {
  backoff: { base: 5_000, cap: 900_000 },
  lookAgainAfter: 3_600_000,
  rules: noRules,
};

function aCredential(generation: number): CredentialRecord {
  const key = { ref: `software:k${generation}`, id: `k${generation}` };
  const octets = Uint8Array.of(generation);
  return { generation, key, certificate: octets, chain: [], notBefore: now, notAfter: now + 90 * day };
}

const aSlot = (journal: Journal, changes: Partial<SlotState> = {}): SlotState => ({
  ...emptySlot,
  current: aCredential(1),
  journal,
  ...changes,
});

const doing = ({ effects }: Reduction) => effects.map((effect) => effect.do);

describe("the slot of a service", () => {
  const service: RenewalSettings = { ...settings, kind: "service" };
  const told = (state: SlotState, event: RenewalEvent) =>
    reduce(state, event, { now, jitter: 0.5, isAnchored: true }, service);
  const next = aCredential(2);
  const refused = (doing: "install" | "reload" | "verify" | "restore"): RenewalEvent => ({
    ...{ type: "failed", doing, keyId: "k2", code: "hook-failed", reason: "nginx ended with 1", retryAfter: 0 },
  });

  it("is reloaded and looked at before it is proven", () => {
    let reduction = told(aSlot({ at: "issued", next }), { type: "installed", keyId: "k2", round: 0 });
    expect([reduction.state.journal.at, doing(reduction)]).toEqual(["installed", ["reload", "report"]]);
    reduction = told(reduction.state, { type: "reloaded", keyId: "k2", round: 0 });
    expect([reduction.state.journal.at, doing(reduction)]).toEqual(["reloaded", ["verify", "report"]]);
    reduction = told(reduction.state, { type: "verified", keyId: "k2", round: 0 });
    expect([reduction.state.journal.at, doing(reduction)]).toEqual(["proving", ["prove", "report"]]);
  });

  it.each(["install", "reload", "verify"] as const)(
    "goes back to the one before when %s fails, and says why",
    (step) => {
      const at = { install: "issued", reload: "installed", verify: "reloaded" } as const;
      const failed = told(aSlot({ at: at[step], next }), refused(step));
      expect(failed.effects[0]).toMatchObject({ do: "restore", next, previous: aCredential(1), round: 1 });
      expect(failed.state).toMatchObject({
        ...{ rollbacks: 1, rollbackAt: now },
        rollbackCause: `${step}: hook-failed: nginx ended with 1`,
      });
      const restored = told(failed.state, { type: "restored", keyId: "k2", round: 1 });
      expect(restored.state).toMatchObject({ journal: { at: "issued", next }, current: aCredential(1) });
      expect(doing(restored)).toEqual(["sleep", "report"]);
    },
  );

  it("does not take the word of an earlier try for this one", () => {
    const again = aSlot({ at: "reloaded", next }, { rollbacks: 3 });
    expect(told(again, { type: "verified", keyId: "k2", round: 2 }).state).toBe(again);
    expect(told(again, { type: "verified", keyId: "k2", round: 3 }).state.journal.at).toBe("proving");
  });

  it("gets its files back before a key that came to nothing is destroyed", () => {
    const stuck = aSlot({ at: "issued", next }, { rollbacks: 2, attempts: 2 });
    const wanted = told(stuck, { type: "wanted" });
    expect([wanted.state.journal, doing(wanted)]).toMatchObject([
      { at: "restoring", isGivenUp: true },
      ["restore", "report"],
    ]);
    const restored = told(wanted.state, { type: "restored", keyId: "k2", round: 3 });
    expect([restored.state.journal.at, doing(restored)]).toEqual(["abandoned", ["destroy", "report"]]);
  });
});

describe("a change of key store", () => {
  const moving: RenewalSettings = { ...settings, home: "pkcs11:token=a" };
  const told = (state: SlotState, event: RenewalEvent, moment: Partial<Moment> = {}) =>
    reduce(state, event, { now, jitter: 0.5, isAnchored: true, ...moment }, moving);

  it("is a rotation that begins with the next session", () => {
    const reduction = told(aSlot({ at: "idle" }), { type: "connected" });
    expect(reduction.effects.at(-1)).toMatchObject({ do: "generate", generation: 2, store: "pkcs11:token=a" });
    expect(told(aSlot({ at: "idle" }), { type: "woke" }, { isAnchored: false }).state.journal.at).toBe("idle");
  });

  it("stays with the old key store while the new one makes no key and the certificate is due", () => {
    const failing = aSlot({ at: "intended", generation: 2 }, { attempts: 4 });
    const broken = {
      type: "failed",
      doing: "generate",
      keyId: "",
      code: "token-error",
      reason: "",
      retryAfter: 0,
    } as const;
    const later = told(failing, broken);
    expect(later.state).toMatchObject({ journal: { at: "idle" }, abandoned: 1, current: aCredential(1) });
    expect(told(later.state, { type: "woke" }).effects.at(-1)).toMatchObject({ store: "pkcs11:token=a" });
    const due = told(later.state, { type: "woke" }, { now: now + 70 * day });
    expect(due.effects.at(-1)).toMatchObject({ do: "generate", store: "software" });
  });
});
