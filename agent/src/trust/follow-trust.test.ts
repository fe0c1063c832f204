import { FleetError } from "@fleetcert/shared";
import { expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { aBundle, aRoot, signedBundle, type TestCa, testFleet } from "../../../test/support/pki/fleet-trust.ts";
import type { RetainedSource } from "../retained/retained-topics.ts";
import { TrustFollower } from "./follow-trust.ts";
import { openTrustKeeper } from "./trust-keeper.ts";

it("walks to the retained bundle over the versions kept and tells that trust changed", async () => {
  const [one, two] = await Promise.all([aRoot("One"), aRoot("Two")]);
  const { follower, trust, told } = await aFollower(one, {
    fetchKept: async (topics) =>
      Promise.all(
        topics.map((topic) =>
          topic.type === "trust-version" && topic.version === 2 ? bundleOf(2, [one, two]) : undefined,
        ),
      ),
  });
  await follower.offer(await bundleOf(3, [two]), signal);
  await follower.idle();
  expect([trust.current()?.version, told.count]).toEqual([3, 1]);
});

it("logs a refused bundle, keeps what is trusted and takes the next", async () => {
  const [one, stranger] = await Promise.all([aRoot("One"), aRoot("Stranger")]);
  const { follower, trust, told, log } = await aFollower(one);
  await follower.offer(await bundleOf(2, [stranger]), signal);
  await follower.offer(await bundleOf(3, [one]), signal);
  await follower.idle();
  expect([trust.current()?.version, told.count]).toEqual([3, 1]);
  expect(log.lines.map(({ event }) => event)).toContain("trust bundle refused");
});

it("goes on with the walk when a session is live again", async () => {
  const [one, two] = await Promise.all([aRoot("One"), aRoot("Two")]);
  let isOffline = true;
  const { follower, trust, told } = await aFollower(one, {
    fetchKept: async () => {
      if (isOffline) throw new FleetError("offline", "no session");
      return [await bundleOf(2, [one, two])];
    },
  });
  await follower.offer(await bundleOf(3, [two]), signal);
  await follower.idle();
  expect([trust.current()?.version, told.count]).toEqual([1, 0]);
  isOffline = false;
  await follower.connected(signal);
  await follower.idle();
  expect([trust.current()?.version, told.count]).toEqual([3, 1]);
});

it("tells when the walk cannot go on because the process is useless", async () => {
  const [one, two] = await Promise.all([aRoot("One"), aRoot("Two")]);
  const { follower, failures } = await aFollower(one, { fetchKept: () => Promise.reject(new TypeError("a bug")) });
  await follower.offer(await bundleOf(3, [two]), signal);
  await follower.idle();
  expect(failures).toEqual([new TypeError("a bug")]);
});

it("has a bundle it can accept in force at once: the next message may be signed by its keys", async () => {
  const one = await aRoot("One");
  const { follower, trust, told } = await aFollower(one);
  await follower.offer(await bundleOf(2, [one]), signal);
  expect([trust.current()?.version, told.count]).toEqual([2, 1]);
});

const { signal } = new AbortController();

async function aFollower(root: TestCa, source: Partial<RetainedSource> = {}) {
  const log = new KeptLog();
  const told = { count: 0 };
  const failures: unknown[] = [];
  const trust = await openTrustKeeper({
    state: new CrashingStateStore(),
    pin: { rootSha256: root.certificate.sha256, fleet: testFleet },
    time: { enterEra: async () => {} },
    log,
  });
  await trust.accept(await bundleOf(1, [root]));
  const retained: RetainedSource = { fetch: async () => [], fetchKept: async () => [], ...source };
  const accepted = () => {
    told.count++;
  };
  return {
    follower: new TrustFollower({ trust, retained, log, accepted, failed: (error) => failures.push(error) }),
    trust,
    told,
    log,
    failures,
  };
}

function bundleOf(version: number, roots: readonly TestCa[]): Promise<Uint8Array> {
  return signedBundle(aBundle({ version, roots: roots.map(({ certificate }) => certificate.der) }), ...roots);
}
