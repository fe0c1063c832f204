import { Counter, Gauge, Registry } from "prom-client";
import { type MetricName, type MetricOf, metricCatalogue } from "./metric-names.ts";

/** One value of a gauge at the time of the scrape. */
export interface Sample {
  readonly name: MetricOf<"gauge">;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The controller's metrics: counters that grow as things happen, gauges that are asked for at every scrape. */
export interface Metrics {
  count(name: MetricOf<"counter">, labels: Readonly<Record<string, string>>): void;
  /** Prometheus text exposition. */
  expose(): Promise<string>;
}

/** Opens a registry of its own; `collect` gives the state's samples at every scrape. */
export function openMetrics(collect: () => Promise<readonly Sample[]>): Metrics {
  const registry = new Registry();
  const gauges = new Map<MetricName, Gauge>();
  const counters = new Map<MetricName, Counter>();
  for (const [name, { kind, labels, help }] of Object.entries(metricCatalogue)) {
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    if (kind === "gauge") gauges.set(name as MetricName, new Gauge(options));
    else counters.set(name as MetricName, new Counter(options));
  }
  const known = new Map<string, Set<string>>();
  return {
    count(name, labels) {
      counters.get(name)?.inc(bounded(known, name, labels));
    },
    async expose() {
      const samples = await collect();
      for (const gauge of gauges.values()) gauge.reset();
      for (const { name, labels, value } of samples) gauges.get(name)?.set({ ...labels }, value);
      return registry.metrics();
    },
  };
}

/** Folds what exceeds a bounded number of label sets into `other`: a metric must not be a way to fill the memory. */
function bounded(
  known: Map<string, Set<string>>,
  name: string,
  labels: Readonly<Record<string, string>>,
): Record<string, string> {
  const seen = known.get(name) ?? new Set();
  known.set(name, seen);
  const key = JSON.stringify(labels);
  if (seen.has(key) || seen.size < maxLabelSets) {
    seen.add(key);
    return { ...labels };
  }
  return Object.fromEntries(Object.keys(labels).map((label) => [label, "other"]));
}

const maxLabelSets = 100;
