import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Candidate, planWaves } from "./plan-waves.ts";

const candidate = (id: string, some: Partial<Candidate> = {}): Candidate => ({
  ...{ id, site: "berlin", connectivity: "always", isConnected: true },
  ...some,
});
const fleet = (count: number, some: (index: number) => Partial<Candidate> = () => ({})): Candidate[] =>
  Array.from({ length: count }, (_, index) => candidate(`edge-${index}`, some(index)));

describe("the waves of a rollout", () => {
  it("are cumulative shares of the selection, those in contact first", () => {
    const waves = planWaves(
      fleet(1000, (index) => ({ isConnected: index % 2 === 0 })),
      { percents: [1, 10, 50, 100], bySite: false },
    );
    expect(waves.map(({ name, devices }) => [name, devices.length])).toEqual([
      ["1 %", 10],
      ["10 %", 90],
      ["50 %", 400],
      ["100 %", 500],
    ]);
    const early = waves.slice(0, 3).flatMap(({ devices }) => devices);
    expect(early.every((id) => Number(id.slice(5)) % 2 === 0)).toBe(true);
  });

  it("take those of the rest first that come soon by themselves", () => {
    const classes = ["courier", "rare", "always", "daily"] as const;
    const waves = planWaves(
      fleet(400, (index) => ({ isConnected: false, connectivity: classes[index % 4] ?? "always" })),
      { percents: [25, 50, 75, 100], bySite: false },
    );
    const classOf = (id: string) => classes[Number(id.slice(5)) % 4];
    expect(waves.map(({ devices }) => [...new Set(devices.map(classOf))])).toEqual([
      ...[["always"], ["daily"], ["rare"], ["courier"]],
    ]);
  });

  it("by site: the canaries of all, then one site after the other", () => {
    const sites = ["oslo", "berlin", ""];
    const waves = planWaves(
      fleet(300, (index) => ({ site: sites[index % 3] ?? "" })),
      { percents: [1], bySite: true },
    );
    expect(waves.map(({ name }) => name)).toEqual(["1 %", "no site", "berlin", "oslo"]);
    expect(waves[0]?.devices).toHaveLength(3);
  });

  it("hold every device once and none is empty, whatever the selection", () => {
    const shape = fc.record({
      percents: fc
        .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 5 })
        .map((some) => [...some.sort((a, b) => a - b), 100]),
      bySite: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), shape, fc.nat(3), (count, shape, sites) => {
        const devices = fleet(count, (index) => ({ site: `site-${index % (sites + 1)}` }));
        const waves = planWaves(devices, shape);
        expect(waves.flatMap(({ devices }) => devices).sort()).toEqual(devices.map(({ id }) => id).sort());
        expect(waves.every(({ devices }) => devices.length > 0)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it("are refused when they do not grow to 100, or nobody is selected", () => {
    const refused = (percents: number[], devices = fleet(3), bySite = false): void =>
      expect(() => planWaves(devices, { percents, bySite })).toThrow(
        expect.objectContaining({ code: "request-invalid" }),
      );
    refused([10, 5, 100]);
    refused([1, 50]);
    refused([]);
    refused([100], []);
    refused([50, 50, 100]);
  });
});
