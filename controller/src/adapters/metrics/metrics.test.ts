import { describe, expect, it } from "vitest";
import { openMetrics } from "./metrics.ts";

describe("metrics", () => {
  it("asks for gauges at every scrape and forgets those that are gone", async () => {
    let shard = "0";
    const metrics = openMetrics(async () => [{ name: "x509_crl_number", labels: { issuer: "a", shard }, value: 7 }]);
    expect(await metrics.expose()).toContain('x509_crl_number{issuer="a",shard="0"} 7');
    shard = "1";
    const second = await metrics.expose();
    expect(second).toContain('shard="1"} 7');
    expect(second).not.toContain('shard="0"');
  });

  it("counts, and folds an excess of label sets into one", async () => {
    const metrics = openMetrics(async () => []);
    for (let index = 0; index < 500; index += 1) metrics.count("fleetcert_notices_total", { name: `n${index}` });
    metrics.count("fleetcert_notices_total", { name: "n0" });
    const lines = (await metrics.expose()).split("\n").filter((line) => line.startsWith("fleetcert_notices_total{"));
    expect(lines).toHaveLength(101);
    expect(lines).toContain('fleetcert_notices_total{name="n0"} 2');
    expect(lines).toContain('fleetcert_notices_total{name="other"} 400');
  });
});
