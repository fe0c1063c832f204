import type { ImpactView } from "../../access/governed.ts";

/** The blast radius for a person. */
export function impactRows(impact: ImpactView): [string, string][] {
  const { lockedOut } = impact;
  const others = [
    ...lockedOut.operators.map((name) => `operator ${name}`),
    ...lockedOut.controller.map((name) => `controller ${name}`),
  ];
  return [
    ["devices", String(impact.devices)],
    ["certificates", String(impact.certificates)],
    ["sites", counts(impact.sites)],
    ["owners", counts(impact.owners)],
    ["environments", counts(impact.environments)],
    ["criticality", counts(impact.criticality)],
    ["connectivity", counts(impact.connectivity)],
    ["services", counts(impact.services)],
    ["offline", `${impact.offline} (${impact.offlinePercent} %)`],
    ["locked out", `${lockedOut.devices} devices${others.map((who) => `, ${who}`).join("")}`],
    ["growth", `CRL ${impact.crlBytes} bytes, snapshot ${impact.snapshotBytes} bytes`],
  ];
}

function counts(named: Readonly<Record<string, number>>): string {
  const all = Object.entries(named).sort(([, a], [, b]) => b - a);
  const first = all.slice(0, maxNamed).map(([name, count]) => `${name || "(none)"} ${count}`);
  return all.length > maxNamed ? `${first.join(", ")} and ${all.length - maxNamed} more` : first.join(", ") || "-";
}

const maxNamed = 8;
