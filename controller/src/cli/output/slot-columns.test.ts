import { describe, expect, it } from "vitest";
import type { SlotView } from "../../access/slot-views.ts";
import { slotColumns } from "./slot-columns.ts";

const now = Date.UTC(2026, 10, 21, 12);
const hour = 3_600_000;
const web: SlotView = {
  ...{ slot: "web", generation: 2, state: "proven", profile: "web", keyAlgorithm: "P-256", protection: "token" },
  ...{ issuedAt: now - 48 * hour, provenAt: now - 47 * hour, provenVia: "service", notAfter: now + 999 * hour },
  ...{ waiting: undefined, keyStore: "pkcs11:token=fleet", journal: "idle", lastError: "" },
  ...{ rollbacks: 0, rollbackCause: "", rollbackAt: undefined, renewal: undefined },
};

const told = (changes: Partial<SlotView>): Record<string, string> =>
  Object.fromEntries(slotColumns(now).map(({ head, text }) => [head, text({ ...web, ...changes })]));

describe("the table of a device's slots", () => {
  it("says what is proven and how, where the key is, and that nothing is wrong", () => {
    expect(told({})).toEqual({
      ...{ slot: "web", generation: "2", state: "proven", issued: "2026-11-19 12:00Z" },
      ...{ proven: "2026-11-19 13:00Z by service", "waits for proof": "-", renewal: "none planned" },
      ...{ key: "token, pkcs11:token=fleet", "on the device": "settled", rollbacks: "0" },
    });
    expect(told({ protection: "software", keyStore: "software" })["key"]).toBe("software");
    expect(told({ provenVia: "" })["proven"]).toBe("2026-11-19 13:00Z");
  });

  it("says what waits, what went wrong, how often, when and why", () => {
    const waiting = { generation: 3, issuedAt: now - hour };
    const back = { rollbacks: 2, rollbackCause: "reload: hook-failed: no", rollbackAt: now - 60_000 };
    const row = told({ ...back, waiting, journal: "issued", lastError: "hook-failed: no" });
    expect(row).toMatchObject({
      "waits for proof": "generation 3 for 1h",
      "on the device": "issued, hook-failed: no",
      rollbacks: "2, last 1m ago: reload: hook-failed: no",
    });
    expect(told({ provenAt: undefined, journal: "" })).toMatchObject({
      proven: "never",
      "on the device": "no report yet",
    });
  });

  it("says when it is renewed, and what else is said of that", () => {
    const renewal = { generation: 3, start: now + hour, end: now + 2 * hour, mode: "automatic", maintenance: [] };
    const plain = { ...renewal, explanationUrl: "" };
    expect(told({ renewal: plain })["renewal"]).toBe("generation 3, 2026-11-21 13:00Z to 2026-11-21 14:00Z");
    const incident = { ...plain, start: now - 1, mode: "urgent", maintenance: ["0 2 * * 6 UTC for 2h"] };
    expect(told({ renewal: { ...incident, explanationUrl: "https://example.org/why" } })["renewal"]).toBe(
      "generation 3, now, until 2026-11-21 14:00Z, urgent, 0 2 * * 6 UTC for 2h, https://example.org/why",
    );
  });
});
