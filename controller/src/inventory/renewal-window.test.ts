import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConnectivityClass } from "../records.ts";
import { assignWindow, spreadOver, type WindowFacts } from "./renewal-window.ts";

const hour = 3_600_000;
const day = 24 * hour;
const start = Date.UTC(2026, 10, 20, 12);

const facts = (some: Partial<WindowFacts> = {}): WindowFacts => {
  const issuedAt = some.issuedAt ?? start;
  const validity = some.validity ?? 90 * day;
  return {
    ...{ device: "edge-1", slot: "identity", issuedAt, validity, notAfter: issuedAt + validity },
    ...{ renewAt: 2 / 3, connectivity: "always", ...some },
  };
};

/** Renewals by day over two years of a fleet that was enrolled within one hour and renews at random points of its windows. */
function loadCurve(devices: number, random: () => number, connectivity: ConnectivityClass = "always"): number[] {
  const days = new Array<number>(730).fill(0);
  for (let device = 0; device < devices; device++) {
    let at = start + random() * hour;
    for (;;) {
      const window = assignWindow(facts({ device: `edge-${device}`, issuedAt: Math.floor(at), connectivity }));
      at = window.start + random() * (window.end - window.start);
      const index = Math.floor((at - start) / day);
      if (index >= days.length) break;
      days[index] = (days[index] ?? 0) + 1;
    }
  }
  return days;
}

function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("the renewal window of a certificate", () => {
  it("keeps the load flat for a fleet that was enrolled in one hour: no day has a third more than the mean", () => {
    const days = loadCurve(10_000, dice(7)).slice(77);
    const mean = days.reduce((sum, count) => sum + count, 0) / days.length;
    expect(mean).toBeGreaterThan(160);
    expect(Math.max(...days) / mean).toBeLessThan(1.35);
    // Without a lattice, at two thirds of the life and a twelfth of jitter, all of it falls into 7.5 of 60 days.
    expect(60 / 7.5).toBeGreaterThan(7);
  });

  it("is flat from the first renewal on: nobody renews in the first days, and the first period has no peak", () => {
    const days = loadCurve(10_000, dice(3)).slice(0, 75);
    expect(days.slice(0, 13).every((count) => count === 0)).toBe(true);
    expect(Math.max(...days)).toBeLessThan(1.4 * (10_000 / 60));
  });

  it("comes once a period afterwards: 60 days for 90 at two thirds", () => {
    const first = assignWindow(facts());
    const second = assignWindow(facts({ issuedAt: first.start + 12_345 }));
    expect(Math.abs(second.start - first.start - 60 * day)).toBeLessThanOrEqual(1);
  });

  it("is the same for the same facts and differs from slot to slot", () => {
    expect(assignWindow(facts())).toEqual(assignWindow(facts()));
    expect(assignWindow(facts({ slot: "web" }))).not.toEqual(assignWindow(facts()));
  });

  it("lies after the issue and well before the end, for every life, share and class", () => {
    fc.assert(
      fc.property(
        fc.record({
          device: fc.string({ minLength: 1, maxLength: 20 }),
          issuedAt: fc.integer({ min: 0, max: 4e12 }),
          validity: fc.integer({ min: 10_000, max: 3650 * day }),
          renewAt: fc.double({ min: 0.1, max: 0.8, noNaN: true }),
          connectivity: fc.constantFrom<ConnectivityClass>("always", "daily", "rare", "courier"),
        }),
        fc.double({ min: 0.05, max: 1, noNaN: true }),
        (some, cut) => {
          // The issuer's own end may cut a certificate short.
          const notAfter = Math.floor(some.issuedAt + some.validity * cut);
          const window = assignWindow(facts({ ...some, notAfter }));
          expect(window.start).toBeGreaterThan(some.issuedAt);
          expect(window.end).toBeGreaterThan(window.start);
          expect(window.end - some.issuedAt).toBeLessThanOrEqual((notAfter - some.issuedAt + 2000) * (11 / 12) + 2);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("gives those who are seen rarely an earlier latest window", () => {
    const latest = (connectivity: ConnectivityClass): number =>
      Math.max(...Array.from({ length: 300 }, (_, n) => assignWindow(facts({ device: `d${n}`, connectivity })).end));
    expect(latest("courier")).toBeLessThan(latest("rare"));
    expect(latest("rare")).toBeLessThan(latest("daily"));
    expect(latest("daily")).toBeLessThan(latest("always"));
  });
});

describe("the early renewal of a set", () => {
  it("is flat over the window given, in every class order: rarely seen devices first", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.record({
            id: fc.string({ minLength: 1, maxLength: 8 }),
            connectivity: fc.constantFrom<ConnectivityClass>("always", "daily", "rare", "courier"),
          }),
          { selector: ({ id }) => id, minLength: 1, maxLength: 60 },
        ),
        fc.integer({ min: 60_000, max: 30 * day }),
        (devices, length) => {
          const windows = spreadOver(devices, { start, end: start + length });
          expect(windows.size).toBe(devices.length);
          const ends = [...windows].map(([id, { end }]) => ({
            end,
            class: devices.find((one) => one.id === id)?.connectivity,
          }));
          const order = { courier: 0, rare: 1, daily: 2, always: 3 };
          for (const a of ends)
            for (const b of ends)
              if (order[a.class ?? "always"] < order[b.class ?? "always"]) expect(a.end).toBeLessThanOrEqual(b.end);
          for (const { start: opens, end } of windows.values()) {
            expect(opens).toBeGreaterThanOrEqual(start);
            expect(end).toBeLessThanOrEqual(start + length + 1);
          }
          const sorted = ends.map(({ end }) => end).sort((a, b) => a - b);
          for (const [index, end] of sorted.entries())
            expect(Math.abs(end - start - ((index + 1) * length) / devices.length)).toBeLessThanOrEqual(2);
        },
      ),
      { numRuns: 100 },
    );
  });
});
