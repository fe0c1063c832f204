import { deepStrictEqual } from "node:assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Endpoints, initController, type RunningController, startController } from "@fleetcert/controller";
import type { AuditRecord } from "../../../controller/src/records.ts";
import { freePorts } from "../../../scripts/demo/free-ports.ts";
import { keepListsBelow } from "../revocation/made-lists.ts";
import { revocationsOf } from "../revocation/stored-lists.ts";

/** A controller as `fleetcert serve` runs it, in this process, with a data directory and sockets of its own. */
export interface RealController {
  readonly data: string;
  readonly endpoints: Endpoints;
  /** The one that runs now; another one after a restart. */
  readonly running: RunningController;
  /** A claim string; one use and an hour unless said otherwise. */
  claim(wishes?: ClaimWishes): Promise<string>;
  /**
   * Does something that must change nothing, and resolves with the audit entries it left. Rejects when a device,
   * certificate, claim, revocation or used index is another afterwards, or the audit does not verify. What the controller
   * publishes by itself meanwhile does not count.
   */
  unchangedBy(attempt: () => Promise<unknown>): Promise<readonly AuditRecord[]>;
  /** Stops it and starts it again on the same directory and ports; `between` runs while it is down. */
  restart(between?: () => Promise<void>): Promise<void>;
  /** Stops it and removes its directory. */
  close(): Promise<void>;
}

type ClaimWishes = Partial<Parameters<RunningController["operations"]["claims"]["create"]>[1]>;

/** The host's administrator. */
export const administrator = { name: "local", role: "admin" } as const;
/** The fleet of every {@link realController}. */
export const testFleetName = "plant";

/** Makes and starts one on free ports of 127.0.0.1. */
export async function realController(
  options: {
    readonly settings?: Readonly<Record<string, unknown>>;
    readonly profiles?: string;
    /** Runs between `init` and `serve`. */
    readonly prepare?: (data: string) => Promise<void>;
  } = {},
): Promise<RealController> {
  const data = await mkdtemp(join(tmpdir(), "fleetcert-real-"));
  const [operational, bootstrap, http, api] = await freePorts(4);
  const listener = (port: number | undefined) => ({ host: "127.0.0.1", port });
  const listeners = {
    operational: listener(operational),
    bootstrap: listener(bootstrap),
    http: listener(http),
    api: listener(api),
  };
  await initController({
    data,
    fleet: testFleetName,
    hosts: ["localhost", "127.0.0.1"],
    rootPassphrase: undefined,
    settings: { listeners, ...options.settings },
    ...(options.profiles !== undefined && { profiles: options.profiles }),
  });
  await options.prepare?.(data);
  const start = () => startController({ data, logLevel: "silent" });
  let running = await start();
  return {
    data,
    get endpoints() {
      return running.endpoints;
    },
    get running() {
      return running;
    },
    async claim(wishes = {}) {
      const request = { maxUses: 1, validFor: 3_600_000, ...wishes };
      return (await running.operations.claims.create(administrator, request)).claimString;
    },
    async unchangedBy(attempt) {
      const before = await factsAtRest(running);
      await attempt();
      const after = await factsAtRest(running);
      deepStrictEqual(after.state, before.state);
      deepStrictEqual((await running.operations.audit.verify(administrator)).firstBad, undefined);
      return after.audit.slice(before.audit.length);
    },
    async restart(between = async () => undefined) {
      await running.stop();
      keepListsBelow(data);
      await between();
      running = await start();
    },
    async close() {
      await running.stop();
      keepListsBelow(data);
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** The facts once no list is being signed: a device that joined just before may have opened a shard. */
async function factsAtRest(running: RunningController): ReturnType<typeof factsOf> {
  for (let round = 0; ; round++) {
    const facts = await factsOf(running);
    if (facts.state.openIntents.length === 0 || round === 100) return facts;
    await sleep(20);
  }
}

/** Everything an attacker might want to change; when a device was last seen is none of it. */
async function factsOf({ duties, issuerId }: RunningController) {
  return await duties.store.transaction(async (tx) => {
    const devices = await tx.devices.list({ limit: 1000 });
    const certificates = await tx.certificates.list({ limit: 1000 });
    const shards = await tx.shards.listOf(issuerId);
    const revocations = [];
    for (const { shard } of shards) revocations.push(...(await revocationsOf(tx, { issuer: issuerId, shard })));
    return {
      state: {
        devices: devices.map(({ lastSeenAt: _, ...device }) => device),
        identifiers: await Promise.all(devices.map(({ id }) => tx.identifiers.listOf(id))),
        certificates: certificates.map(({ der: _, ...certificate }) => certificate),
        claims: await tx.claims.list({ limit: 1000 }),
        operators: await tx.operators.list({ limit: 1000 }),
        openIntents: await tx.intents.listOpen(),
        usedIndices: shards.map(({ shard, nextIndex }) => [shard, nextIndex]),
        revocations: revocations.map(({ epoch: _, ...revocation }) => revocation),
      },
      audit: (await tx.audit.list(1, 100_000)).filter(({ action }) => !action.startsWith("crl.")),
    };
  });
}
