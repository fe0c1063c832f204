import { describe, expect, it } from "vitest";
import { aCertificate } from "../../../test/contracts/store-records.ts";
import { slotViews } from "./slot-views.ts";

const nothing = { slots: [], maintenance: [] };
const report = (slots: readonly object[]): string => JSON.stringify({ slots });

describe("the slots of a device", () => {
  it("show what is proven, what waits for its proof, and what the device says of both", () => {
    const certificates = [
      aCertificate(3, { slot: "web", generation: 2, issuedAt: 30 }),
      aCertificate(2, { slot: "web", generation: 1, state: "proven", provenAt: 25, provenVia: "service" }),
      aCertificate(1, { generation: 1, state: "proven", provenAt: 12, provenVia: "session" }),
    ];
    const cause = "reload: hook-failed: nginx ended with 1";
    const said = { slot: "web", journal: "issued", lastError: "hook-failed: x", rollbacks: 2, rollbackCause: cause };
    const shown = slotViews(certificates, report([{ ...said, rollbackAt: 40, keyStore: "software" }]), nothing);
    expect(shown.map(({ slot }) => slot)).toEqual(["identity", "web"]);
    expect(shown[0]).toMatchObject({ provenVia: "session", waiting: undefined, journal: "", keyStore: "" });
    expect(shown[1]).toMatchObject({
      ...{ generation: 1, state: "proven", provenAt: 25, provenVia: "service", journal: "issued" },
      ...{ waiting: { generation: 2, issuedAt: 30 }, keyStore: "software" },
      ...{ rollbacks: 2, rollbackCause: cause, rollbackAt: 40 },
    });
  });

  it("show the newest of a slot that was never proven, and one whose last certificate has ended", () => {
    const first = aCertificate(1, { slot: "web", state: "issued" });
    expect(slotViews([first], undefined, nothing)).toMatchObject([
      { state: "issued", provenVia: "", waiting: undefined },
    ]);
    const ended = aCertificate(2, { state: "revoked", generation: 4, revokedAt: 9 });
    expect(slotViews([ended], undefined, nothing)).toMatchObject([{ state: "revoked", generation: 4 }]);
    expect(slotViews([], undefined, nothing)).toEqual([]);
  });

  it("are read from the report of an agent that says less", () => {
    const older = report([{ slot: "identity", journal: "idle", lastError: "" }]);
    const [shown] = slotViews([aCertificate(1)], older, nothing);
    expect(shown).toMatchObject({ journal: "idle", rollbacks: 0, rollbackAt: undefined, keyStore: "" });
  });

  it("say when each is renewed, and what holds that up", () => {
    const told = { profile: "device", keyAlgorithm: "P-256", retryAfter: 0, earliest: 0, renewBefore: 0 } as const;
    const window = { renewGeneration: 2, windowStart: 5, windowEnd: 9, explanationUrl: "", mode: "automatic" } as const;
    const slots = [{ ...told, ...window, slot: "identity" }];
    const maintenance = [{ cron: "0 2 * * 6", timeZone: "Europe/Berlin", duration: 7_200_000 }];
    const [shown] = slotViews([aCertificate(1)], undefined, { slots, maintenance });
    const held = { mode: "automatic", maintenance: ["0 2 * * 6 Europe/Berlin for 2h"], explanationUrl: "" };
    expect(shown?.renewal).toEqual({ generation: 2, start: 5, end: 9, ...held });
    const none = [{ ...told, ...window, slot: "identity", renewGeneration: 0 }];
    expect(slotViews([aCertificate(1)], undefined, { slots: none, maintenance })[0]?.renewal).toBeUndefined();
  });
});
