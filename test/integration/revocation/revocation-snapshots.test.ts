import { formatTopic, parseTopic, type Topic } from "@fleetcert/proto";
import { type Certificate, FleetError, parseCertificate } from "@fleetcert/shared";
import { beforeAll, describe, expect, it } from "vitest";
import { zstdListPatches } from "../../../agent/src/adapters/zstd-list-patches.ts";
import type { RetainedSource } from "../../../agent/src/retained/retained-topics.ts";
import { RevocationCache } from "../../../agent/src/revocation/revocation-cache.ts";
import { openTimeKeeper } from "../../../agent/src/time/time-keeper.ts";
import { openTrustKeeper } from "../../../agent/src/trust/trust-keeper.ts";
import { KeptLog } from "../../support/agent/agent-surroundings.ts";
import { CrashingStateStore } from "../../support/agent/crashing-state-store.ts";
import { anEnrolledDevice, startTestController, type TestController } from "../../support/controller/controller.ts";

const { signal } = new AbortController();

/** What the controller publishes is what the agent reads, octet for octet: both real, the broker a map. */
describe("snapshots from the controller to the agent", () => {
  let controller: TestController;
  let certificates: Certificate[];
  const revoked = new Set<number>();
  beforeAll(async () => {
    controller = await startTestController({ config: "bounds: {revokeAlone: 1000}" });
    certificates = [];
    for (let index = 0; index < 100; index++) await enrol(index);
  }, 60_000);

  async function enrol(index: number): Promise<void> {
    const device = await anEnrolledDevice(controller, `edge-${index}`);
    certificates[index] = parseCertificate(device.certificate);
  }

  async function revoke(indices: readonly number[]): Promise<void> {
    for (const index of indices) revoked.add(index);
    await Promise.all(
      indices.map((index) =>
        controller.revocation.revoke("local", { device: `edge-${index}`, reason: "keyCompromise" }),
      ),
    );
    await controller.outbox.drain();
  }

  async function anAgent(keepsLists = false) {
    const log = new KeptLog();
    const state = new CrashingStateStore();
    const { clock, pki } = controller.world;
    const time = await openTimeKeeper({ clock, state, buildTime: 0, log });
    const pin = { rootSha256: parseCertificate(pki.root.der).sha256, fleet: "demo" };
    const trust = await openTrustKeeper({ state, pin, time, log });
    await trust.accept(pki.envelope);
    const failOpenFor = () => Number.POSITIVE_INFINITY;
    const cache = await RevocationCache.open({
      ...{ state, trust, time, log, keepsLists, failOpenFor },
      patches: zstdListPatches,
    });
    /** Applies the head that is retained now; gives the types of the topics it fetched. */
    const follow = async (): Promise<string[]> => {
      const { issuer } = controller.revocation;
      await controller.outbox.drain();
      const asked: Topic[] = [];
      const head = controller.retained.get(formatTopic({ type: "head", issuer })) as Uint8Array;
      const offered = cache.examine(head, { issuer, via: "mqtt" });
      if (offered !== undefined) await cache.apply(offered, retainedOf(asked), signal);
      return asked.map(({ type }) => type);
    };
    const answers = () =>
      certificates.map(({ serial }) => cache.isRevoked(controller.revocation.issuer, serial).status);
    return { cache, follow, answers };
  }

  const retainedOf = (asked: Topic[]): RetainedSource => {
    const fetchKept = async (topics: readonly Topic[]) => {
      asked.push(...topics);
      return topics.map((topic) => controller.retained.get(formatTopic(topic)));
    };
    const fetch = async (topics: readonly Topic[]) =>
      (await fetchKept(topics)).map((payload, at) => {
        if (payload !== undefined) return payload;
        throw new FleetError("timeout", `nothing is retained on ${formatTopic(topics[at] as Topic)}`, { retry: true });
      });
    return { fetch, fetchKept };
  };

  const truth = () => certificates.map((_, index) => (revoked.has(index) ? "revoked" : "good"));

  it("catch up from any epoch, by a delta where one leads there, exactly for every certificate of the issuer", async () => {
    const [steady, sleepy, late] = [await anAgent(), await anAgent(), await anAgent()];
    await revoke(Array.from({ length: 60 }, (_, at) => (at * 37) % 100));
    expect(await steady.follow()).toEqual(["snapshot-part"]);
    await sleepy.follow();
    await late.follow();
    const fetched: string[][] = [];
    for (let step = 0; step < 6; step++) {
      const next = certificates.findIndex((_, index) => !revoked.has(index));
      controller.world.clock.advance(2_000);
      await revoke([next]);
      fetched.push(await steady.follow());
      expect(steady.answers()).toEqual(truth());
      if (step === 3) expect(await sleepy.follow()).toEqual(fetched[0]);
      if (step === 3) expect(sleepy.answers()).toEqual(truth());
    }
    expect(await late.follow()).toEqual(["snapshot-part"]);
    expect(late.answers()).toEqual(truth());
  });

  it("keep the list by a patch where one leads there, octet for octet, and whole where none does", async () => {
    const [steady, away] = [await anAgent(true), await anAgent(true)];
    await steady.follow();
    await away.follow();
    for (let step = 0; step < 4; step++) {
      const next = certificates.findIndex((_, index) => !revoked.has(index));
      await revoke([next]);
      expect(await steady.follow()).toContain("crl-patch");
      expect(steady.answers()).toEqual(truth());
    }
    const asked = await away.follow();
    expect(asked).toContain("crl-part");
    expect(asked).not.toContain("crl-patch");
    const ders = ({ cache }: typeof steady) => cache.allLists()?.map(({ sha256 }) => sha256);
    expect(ders(steady)).toEqual(ders(away));
    const kept = [...controller.retained.keys()].filter((topic) => parseTopic(topic)?.type === "crl-patch");
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThanOrEqual(5);
    controller.retained.clear();
    await controller.revocation.announce();
    await controller.outbox.drain();
    for (const topic of kept) expect(controller.retained.has(topic)).toBe(true);
  });

  it("fresh-certificate-good: a certificate issued after the epoch is covered by it", async () => {
    const agent = await anAgent();
    await agent.follow();
    await enrol(100);
    expect(agent.answers()).toEqual(truth());
  });

  it("give the same answers as the lists, which give reasons too", async () => {
    const [bySnapshot, byList] = [await anAgent(), await anAgent(true)];
    await bySnapshot.follow();
    expect(await byList.follow()).toEqual(["snapshot-part", "crl-part"]);
    expect(bySnapshot.answers()).toEqual(byList.answers());
    const [index] = revoked;
    const { serial } = certificates[index as number] as Certificate;
    expect(byList.cache.isRevoked(controller.revocation.issuer, serial)).toMatchObject({ reason: "keyCompromise" });
  });
});
