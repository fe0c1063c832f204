import type { BodyOf, DesiredState, Topic } from "@fleetcert/proto";
import type { Duration } from "@fleetcert/shared";
import { drainOutbox } from "../outbox/drain-outbox.ts";
import { Outbox } from "../outbox/outbox.ts";
import type {
  Conversation,
  Credential,
  FleetTopics,
  ListOutput,
  ListPatches,
  StateStore,
  Surroundings,
} from "../ports.ts";
import { Reporter } from "../reporting/reporter.ts";
import { type SlotFacts, statusReport } from "../reporting/status-report.ts";
import { RetainedTopics } from "../retained/retained-topics.ts";
import { HeadFollower } from "../revocation/follow-heads.ts";
import { ListHandOver } from "../revocation/hand-over-lists.ts";
import { RevocationCache } from "../revocation/revocation-cache.ts";
import type { FailOpenFor } from "../revocation/staleness.ts";
import type { OpenTimeKeeper } from "../time/time-keeper.ts";
import { TrustFollower } from "../trust/follow-trust.ts";
import type { OpenTrustKeeper } from "../trust/trust-keeper.ts";

/** The duties that follow the fleet and tell the controller: trust, revocation, outbox and reports, wired to each other. */
export interface Followers {
  readonly revocation: RevocationCache;
  readonly outbox: Outbox;
  /** A session with this credential is live. */
  connected(credential: Credential): void;
  /** Takes the payload of any fleet topic. */
  fleet(topic: Topic, payload: Uint8Array): Promise<void>;
  /** Something changed that a report would say. */
  changed(): void;
  /** What a report would say now. */
  report(): BodyOf<"report">;
  /** A courier brought trust or revocation state past the network. */
  carried(): Promise<void>;
  /** Works until the signal ends it. Rejects only with what makes the agent useless. */
  run(signal: AbortSignal): Promise<void>;
}

/** What follows a session: trust, revocation and reports, and what they work with. */
export interface FollowerParts {
  readonly state: StateStore;
  readonly trust: OpenTrustKeeper;
  readonly time: OpenTimeKeeper;
  readonly topics: FleetTopics;
  readonly conversation: Conversation;
  readonly surroundings: Surroundings;
  readonly agentVersion: string;
  readonly platform: string;
  readonly slots: () => readonly SlotFacts[];
  readonly desired: () => DesiredState | undefined;
  /** A newer trust bundle is in force. */
  readonly trustAccepted?: () => void;
  /** Whether revocation lists are kept beside snapshots. */
  readonly keepsLists: boolean;
  readonly failOpenFor: FailOpenFor;
  readonly outputs: readonly ListOutput[];
  readonly patches: ListPatches;
}

/** Opens what the followers keep. Rejects when the store cannot be read. */
export async function assembleFollowers(parts: FollowerParts): Promise<Followers> {
  const { state, trust, time, topics, conversation, surroundings, keepsLists, failOpenFor, outputs, patches } = parts;
  const { log, timer, random } = surroundings;
  const outbox = await Outbox.open({ state, log });
  const revocation = await RevocationCache.open({ state, trust, time, log, patches, keepsLists, failOpenFor });
  const retained = new RetainedTopics({ topics, timer, log, patience: retainedPatience });
  const reporter = new Reporter({
    facts: () => factsOf(parts, { outbox, revocation }),
    news: outbox,
    interval: () => reportEvery(parts.desired()),
    timer,
    random,
    log,
  });
  const changed = () => reporter.changed();
  const lists = () => {
    const held = revocation.allLists();
    return held && [...held, ...trust.rootLists()];
  };
  const handOver = new ListHandOver({ outputs, lists, news: outbox, time, timer, random, log });
  const heads = new HeadFollower({
    cache: revocation,
    retained,
    news: outbox,
    time,
    timer,
    random,
    log,
    applied() {
      handOver.changed();
      changed();
    },
  });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const trustFollower = new TrustFollower({
    trust,
    retained,
    log,
    accepted() {
      changed();
      parts.trustAccepted?.();
      handOver.changed();
      heads.trustChanged().catch(failed.reject);
    },
    failed: failed.reject,
  });

  const end = new AbortController();
  let drain = new AbortController();
  return {
    revocation,
    outbox,
    changed,
    report: () => statusReport(factsOf(parts, { outbox, revocation })),
    async carried() {
      handOver.changed();
      changed();
      await heads.trustChanged();
    },
    connected({ key }) {
      drain.abort();
      drain = new AbortController();
      const signal = AbortSignal.any([end.signal, drain.signal]);
      drainOutbox(outbox, { conversation, signer: () => key, timer, random, log, signal }).catch(failed.reject);
      trustFollower.connected(end.signal).catch(failed.reject);
      heads.connected();
      changed();
    },
    async fleet(topic, payload) {
      retained.offer(topic, payload);
      if (topic.type === "trust") await trustFollower.offer(payload, end.signal).catch(failed.reject);
      if (topic.type === "head") await heads.offer(topic.issuer, payload);
    },
    async run(signal) {
      const stop = () => end.abort(signal.reason);
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
      await Promise.race([
        Promise.all([heads.run(end.signal), reporter.run(end.signal), handOver.run(end.signal)]),
        failed.promise,
      ]);
      await trustFollower.idle();
    },
  };
}

/** A window that was missed is heard of with the next report, so RFC 9773's Retry-After bounds the interval. */
function reportEvery(desired: DesiredState | undefined): Duration {
  const asked = (desired?.slots ?? []).map(({ retryAfter }) => retryAfter).filter((one) => one > 0);
  const interval = desired?.reportInterval ?? 0;
  return interval === 0 ? 0 : Math.min(interval, ...asked);
}

function factsOf(parts: FollowerParts, { outbox, revocation }: { outbox: Outbox; revocation: RevocationCache }) {
  const { time, trust } = parts;
  const estimate = time.estimate();
  const bundle = trust.current();
  const isStale = trust.status(estimate.at) === "trust-stale";
  return {
    agentVersion: parts.agentVersion,
    platform: parts.platform,
    estimate,
    clockOffset: time.clockOffset(),
    slots: parts.slots(),
    epochs: revocation.epochs(),
    trust: bundle && { era: bundle.era, version: bundle.version, isStale },
    desiredVersion: parts.desired()?.version ?? 0,
    outboxLength: outbox.length,
  };
}

/** How long nothing may come of what is retained before it counts as not kept. */
const retainedPatience: Duration = 10_000;
