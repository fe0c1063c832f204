import { access } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, FleetError } from "@fleetcert/shared";
import { openLevelStore } from "../adapters/disk/level-store.ts";
import { zstdListPatches } from "../adapters/zstd-list-patches.ts";
import { isTpmProven } from "../attestation/proven-tpm.ts";
import { DesiredKeeper } from "../connection/desired-keeper.ts";
import type { StateStore } from "../ports.ts";
import { RevocationCache } from "../revocation/revocation-cache.ts";
import { readStanding } from "../standing/standing-keeper.ts";
import { openTimeKeeper } from "../time/time-keeper.ts";
import { openTrustKeeper } from "../trust/trust-keeper.ts";
import type { AgentIdentity } from "./agent-parts.ts";
import { identitySlot } from "./credential-actions.ts";
import { readIdentity, readSlot } from "./identity-record.ts";
import { loadConfig } from "./load-config.ts";
import { type StatusView, statusView } from "./status-view.ts";

/** What an agent that is not running would say of itself. Throws `not-found` before the first enrolment. */
export function storedStatus(
  data: string,
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): Promise<StatusView> {
  return withStoredState(data, async (store, identity) => {
    const { controller } = await loadConfig(data, env);
    const { time, trust, revocation } = await openStoredTrust(store, identity, clock);
    return statusView({
      identity,
      controller,
      connection: undefined,
      slots: { [identitySlot]: await readSlot(store) },
      tpmIsProven: await isTpmProven(store),
      time: { ...time.estimate(), floor: time.floor() },
      trust: trust.current(),
      desired: (await DesiredKeeper.open(store)).current,
      turnedAway: await readStanding(store),
      revocation: revocation.show(),
      outbox: undefined,
    });
  });
}

/** The revocation state an agent that is not running enforces. Throws `not-found` before the first enrolment. */
export function withStoredRevocation<T>(
  data: string,
  clock: Clock,
  use: (revocation: RevocationCache) => T,
): Promise<T> {
  return withStoredState(data, async (store, identity) =>
    use((await openStoredTrust(store, identity, clock)).revocation),
  );
}

async function openStoredTrust(store: StateStore, identity: AgentIdentity, clock: Clock) {
  const time = await openTimeKeeper({ clock, state: store, buildTime: 0, log: silent });
  const trust = await openTrustKeeper({ state: store, pin: identity, time, log: silent });
  return {
    time,
    trust,
    revocation: await RevocationCache.open({
      ...{ state: store, trust, time, log: silent, keepsLists: false },
      patches: zstdListPatches,
      // What is stored is told with its age; judging it is the running agent's.
      failOpenFor: () => Number.POSITIVE_INFINITY,
    }),
  };
}

/** Opens the state of an agent that is not running for as long as `use` takes. Throws `not-found`, `conflict`. */
async function withStoredState<T>(
  data: string,
  use: (store: StateStore, identity: AgentIdentity) => Promise<T>,
): Promise<T> {
  const directory = join(data, "state");
  try {
    await access(directory);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") throw notEnrolled(data, cause);
    throw new FleetError("data-directory", `the data directory ${data} cannot be read`, {
      cause,
      hint: "ask as the user the agent runs as: sudo fleetcert-agent status, or name your own directory with --data",
    });
  }
  const store = await openLevelStore(directory);
  try {
    const identity = await readIdentity(store);
    if (identity === undefined) throw notEnrolled(data);
    return await use(store, identity);
  } finally {
    await store.close();
  }
}

function notEnrolled(data: string, cause?: unknown): FleetError {
  return new FleetError("not-found", `no device has enrolled in ${data}`, {
    cause,
    hint: "fleetcert-agent enrol --controller HOST --claim-file FILE, or name the right directory with --data",
  });
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
