import type { Clock, Instant } from "@fleetcert/shared";
import type { Readiness } from "../../adapters/http/public-server.ts";
import type { Sample } from "../../adapters/metrics/metrics.ts";
import { ageDistribution } from "../../insight/age-distribution.ts";
import type { Expiry } from "../../trust/trust.ts";
import { propagationSamples } from "./propagation-samples.ts";
import type { Duties } from "./wire-duties.ts";

/** What the state of a running controller is read from. */
export interface ControllerState {
  readonly duties: Duties;
  readonly clock: Clock;
  readonly ownExpiries: () => Promise<readonly Expiry[]>;
  /** Why the broker that devices connect to cannot be used; undefined while it can. */
  readonly brokerTrouble?: () => string | undefined;
}

/** Whether the controller can do its work: nothing it signs with or is trusted by has ended. */
export async function readiness(parts: ControllerState): Promise<Readiness> {
  const now = parts.clock.now();
  const expiries = [...parts.duties.trust.expiries(), ...(await parts.ownExpiries())];
  const ended = expiries.filter(({ notAfter }) => notAfter < now).map(({ what }) => `${what} has expired`);
  const trouble = parts.brokerTrouble?.();
  const broker = trouble === undefined ? [] : [trouble];
  const reasons = [...clockReasons(parts), ...broker, ...ended, ...(await storeReasons(parts, now))];
  return { ready: reasons.length === 0, reasons, expiries };
}

/** Under a clock that has leapt nothing is signed or said. */
function clockReasons({ duties }: ControllerState): string[] {
  try {
    duties.clockGuard.now();
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

async function storeReasons({ duties }: ControllerState, now: Instant): Promise<string[]> {
  try {
    const waiting = await duties.store.transaction((tx) => tx.outbox.count(maxWaiting));
    const nextUpdate = await duties.revocation.headNextUpdate();
    return [
      ...(waiting >= maxWaiting ? [`at least ${maxWaiting} messages wait for the broker`] : []),
      ...(nextUpdate === undefined || nextUpdate < now ? ["the revocation head is past its nextUpdate"] : []),
    ];
  } catch (error) {
    return [`the store fails: ${String(error)}`];
  }
}

/** The state's metrics, asked for at every scrape: from kept counters and indexes, at a cost that does not grow with the fleet. */
export async function collectSamples(parts: ControllerState): Promise<Sample[]> {
  const { duties, clock } = parts;
  const expiries = [...duties.trust.expiries(), ...(await parts.ownExpiries())];
  return await duties.store.transaction(async (tx) => {
    const byState = await tx.devices.countByState();
    const lists: Sample[] = [];
    for (const { id: issuer } of duties.issuers.all()) {
      for (const { shard, epoch, entryCount } of await tx.crls.glanceAt(issuer)) {
        const labels = { issuer, shard: String(shard) };
        lists.push({ name: "x509_crl_number", labels, value: epoch });
        lists.push({ name: "fleetcert_crl_entries", labels, value: entryCount });
      }
    }
    const propagation = await propagationSamples(duties, tx);
    const ages = ageDistribution(await tx.ages.list(), clock.now());
    return [
      ...expiries.map(
        ({ what, notAfter }): Sample => ({ name: "x509_cert_not_after", labels: { what }, value: seconds(notAfter) }),
      ),
      ...Object.entries(byState).map(
        ([state, value]): Sample => ({ name: "fleetcert_devices", labels: { state }, value }),
      ),
      {
        name: "fleetcert_certificates_not_proven",
        labels: {},
        value: (await tx.awaitedProofs.listNoted({ limit: 1000 })).length,
      },
      ...counted((await tx.rollouts.list({ limit: 1000 })).map(({ state }) => state)).map(
        ([state, value]): Sample => ({ name: "fleetcert_rollouts", labels: { state }, value }),
      ),
      { name: "fleetcert_sessions", labels: {}, value: duties.inventory.connected().size },
      { name: "fleetcert_audit_entries", labels: {}, value: (await tx.audit.last())?.sequence ?? 0 },
      ...cumulative(ages.buckets),
      ...lists,
      ...propagation,
    ];
  });
}

/** A distribution of state is a gauge with `le`, not an observed histogram. */
function cumulative(buckets: readonly { readonly to: number | undefined; readonly count: number }[]): Sample[] {
  let total = 0;
  return buckets.map(({ to, count }) => {
    total += count;
    const le = to === undefined ? "+Inf" : String(seconds(to));
    return { name: "fleetcert_certificate_age", labels: { le }, value: total };
  });
}

function counted(names: readonly string[]): [string, number][] {
  return Object.entries(Object.groupBy(names, (name) => name)).map(([name, found]) => [name, found?.length ?? 0]);
}

const seconds = (instant: Instant): number => Math.floor(instant / 1000);
const maxWaiting = 10_000;
