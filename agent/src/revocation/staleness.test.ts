import { describe, expect, it } from "vitest";
import { RevocationWorld, serialOf } from "../../../test/support/revocation/revocation-world.ts";
import { readConfig } from "../config.ts";
import { failOpenOf } from "../config-values.ts";

const hour = 3_600_000;

/** A device whose state goes stale an hour after it was made. */
async function aDevice(world: RevocationWorld, text: string) {
  const { revocation } = readConfig({ file: { name: "config.yaml", text } });
  const device = await world.device({ failOpenFor: failOpenOf(revocation), keepsLists: false });
  const { head, envelope } = await world.publish(4, [{ shard: 1, revoked: [7], snapshotEpoch: 4 }]);
  const offered = device.cache.examine(envelope, { issuer: world.issuer.id, via: "mqtt" });
  if (offered !== undefined) await device.cache.apply(offered, world.retained(), new AbortController().signal);
  device.clock.advance(head.nextUpdate - device.clock.now());
  const ask = (index: number, slot?: string) => device.cache.isRevoked(world.issuer.id, serialOf(1, index), slot);
  return { ...device, ask };
}

describe("stale revocation state", () => {
  it("is told at once, answers good for as long as the policy allows, and then says that it does not know", async () => {
    const { clock, ask, cache } = await aDevice(await RevocationWorld.begin(), "revocation: {failOpenFor: 2h}");
    expect(ask(8)).toMatchObject({ status: "good", epoch: { isStale: false } });
    clock.advance(1);
    expect(ask(8)).toMatchObject({ status: "good", epoch: { isStale: true } });
    expect(cache.epochs()).toMatchObject([{ stale: true }]);
    clock.advance(2 * hour);
    expect(ask(8)).toMatchObject({ status: "unknown", why: "stale", epoch: { isStale: true } });
  });

  it("never makes a revoked certificate anything else", async () => {
    const { clock, ask } = await aDevice(await RevocationWorld.begin(), "revocation: {failOpenFor: 0s}");
    clock.advance(1000 * hour);
    expect(ask(7)).toMatchObject({ status: "revoked" });
    expect(ask(8)).toMatchObject({ status: "unknown", why: "stale" });
    expect(ask(5000)).toMatchObject({ status: "unknown", why: "too-old" });
  });

  it("is judged for each slot by its own policy", async () => {
    const text = "revocation: {failOpenFor: 1h, slots: [{slot: opcua, failOpenFor: 0s}, {slot: web, failOpenFor: 7d}]}";
    const { clock, ask } = await aDevice(await RevocationWorld.begin(), text);
    const answers = () => [undefined, "opcua", "web", "other"].map((slot) => ask(8, slot).status);
    expect(answers()).toEqual(["good", "good", "good", "good"]);
    clock.advance(1);
    expect(answers()).toEqual(["good", "unknown", "good", "good"]);
    clock.advance(2 * hour);
    expect(answers()).toEqual(["unknown", "unknown", "good", "unknown"]);
    clock.advance(7 * 24 * hour);
    expect(answers()).toEqual(["unknown", "unknown", "unknown", "unknown"]);
  });
});
