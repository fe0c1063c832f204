import { FleetError, type Instant, parseCertificate, sha256Hex, spkiSha256 } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { Inventory } from "../inventory/inventory.ts";
import type { Surroundings } from "../ports.ts";
import type { Rollouts } from "../rollout/rollout.ts";
import type { RolloutGates, RolloutState } from "../rotation-records.ts";
import { Sparing } from "../sparing.ts";
import type { Store, Transaction } from "../store-port.ts";
import type { Trust } from "../trust/trust.ts";
import { countHolders } from "./count-holders.ts";
import { type Holders, judgeRollover, type RolloverState, type Thresholds } from "./judge-rollover.ts";
import { askTheRest, planWaves } from "./re-issue.ts";

/** What a rollover works with. */
export interface RolloverParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  readonly trust: Pick<Trust, "current">;
  readonly issuers: {
    readonly issuing: { readonly id: string; readonly chain: readonly Uint8Array[] };
    require(id: string): { readonly chain: readonly Uint8Array[] };
    refresh(): Promise<void>;
    switchTo(id: string): Promise<void>;
  };
  readonly rollouts: Rollouts;
  readonly inventory: Pick<Inventory, "connected" | "requestRotation">;
  /** Publishes the lists of an issuer that issues from now on. */
  readonly publish: () => Promise<unknown>;
}

/** A rollover as a person begins it, once the bundle with both issuers is published. */
export interface RolloverRequest {
  /** SPKI SHA-256 of the new issuing CA. */
  readonly to: string;
  readonly thresholds: Thresholds;
  /** Cumulative shares of the waves in which devices are re-issued. */
  readonly percents: readonly number[];
  readonly gates: RolloutGates;
  readonly spread: number;
}

/** A change of the issuing CA, and of the root where the new one is under another. */
export interface RolloverRecord extends RolloverRequest {
  readonly from: string;
  /** SHA-256 of the roots' certificates; the same when only the issuing CA changes. */
  readonly fromRoot: string;
  readonly toRoot: string;
  readonly state: RolloverState;
  /** (era, version) of the bundle that devices have to hold. */
  readonly bundle: { readonly era: number; readonly version: number };
  /** The waves; empty before they are planned. */
  readonly rollout: string;
  readonly startedAt: Instant;
  readonly startedBy: string;
  readonly switchedAt: Instant | undefined;
  readonly finishedAt: Instant | undefined;
}

/** How far a rollover has come; `rollover` is undefined when there never was one. */
export interface RolloverStatus {
  readonly issuing: string;
  /** SHA-256 of the certificate of its root, which new claims pin. */
  readonly root: string;
  readonly rollover: RolloverRecord | undefined;
  readonly rolloutState: RolloutState | undefined;
  readonly holders: readonly Holders[];
}

/** Changing the issuing CA, or the root too, while the fleet works: at no moment does a device trust too little to connect. */
export interface Rollovers {
  status(): Promise<RolloverStatus>;
  /** Throws `conflict` while one is under way, `trust-invalid` unless the bundle in force holds both issuers. */
  begin(actor: string, request: RolloverRequest): Promise<RolloverStatus>;
  /** Plans the waves anew. Throws `conflict` unless they were rolled back or aborted. */
  resume(actor: string): Promise<RolloverStatus>;
  /** The bundle in force holds the old issuer no more. Throws `conflict`, also before every wave has passed. */
  finish(actor: string): Promise<RolloverStatus>;
  /** Carries a rollover on by one step; called again and again. */
  step(): Promise<void>;
}

/** Opens rollovers; one that was under way goes on with the next step. */
export function openRollovers(parts: RolloverParts): Rollovers {
  const { store, surroundings, trust, issuers, rollouts } = parts;
  const holders = new Sparing<Holders[]>(surroundings.clock);

  async function status(): Promise<RolloverStatus> {
    const rollover = await store.transaction(read);
    const rolloutState = await stateOf(rollouts, rollover);
    const { id: issuing, chain } = issuers.issuing;
    return { issuing, root: rootIn(chain), rollover, rolloutState, holders: await countHolders(store, rollover) };
  }

  /** Writes the record and its audit entry, unless it is not what the step was decided on any more. */
  async function move(
    before: RolloverRecord,
    after: Partial<RolloverRecord>,
    act: "switched" | "reissuing" | "retiring",
  ) {
    await store.transaction(async (tx) => {
      if ((await read(tx))?.state !== before.state) return;
      await write(tx, { ...before, ...after });
      await appendAudit(tx, {
        ...{ at: surroundings.clock.now(), actor: "controller", action: `rollover.${act}`, target: before.to },
        ...{ outcome: "success", details: { from: before.from, ...(after.rollout && { rollout: after.rollout }) } },
      });
    });
  }

  async function carryOn(rollover: RolloverRecord): Promise<void> {
    const { state, to, bundle } = rollover;
    const about = `${to} ${bundle.era}.${bundle.version}`;
    const facts = {
      // Only this state waits for devices to hold the bundle.
      holders: state === "distributing" ? await holders.find(about, () => countHolders(store, rollover)) : [],
      rollout: await stateOf(rollouts, rollover),
    };
    switch (judgeRollover(rollover, facts)) {
      case "switch":
        await issuers.refresh();
        await issuers.switchTo(rollover.to);
        await move(rollover, { state: "issuing", switchedAt: surroundings.clock.now() }, "switched");
        await parts.publish();
        break;
      case "re-issue":
        await move(rollover, { state: "reissuing", rollout: await planWaves(parts, rollover) }, "reissuing");
        break;
      case "retire":
        await askTheRest(parts, rollover);
        await move(rollover, { state: "retiring" }, "retiring");
        break;
      default:
    }
  }

  return {
    status,
    async begin(actor, request) {
      const { era, version, issuers: certificates } = trust.current();
      const inForce = certificates.map((der) => spkiSha256(parseCertificate(der).spki));
      const from = issuers.issuing.id;
      if (!inForce.includes(request.to) || !inForce.includes(from) || request.to === from) {
        throw new FleetError("trust-invalid", "the trust bundle in force does not hold both issuing CAs", {
          hint: "fleetcert ca rollover start makes and publishes it",
        });
      }
      await issuers.refresh();
      const [fromRoot, toRoot] = [rootIn(issuers.issuing.chain), rootIn(issuers.require(request.to).chain)];
      const now = surroundings.clock.now();
      await store.transaction(async (tx) => {
        const before = await read(tx);
        if (before !== undefined && before.state !== "finished") throw notAlone(before);
        await write(tx, {
          ...{ ...request, fromRoot, toRoot },
          ...{ from, state: "distributing", bundle: { era, version }, rollout: "", startedAt: now, startedBy: actor },
          ...{ switchedAt: undefined, finishedAt: undefined },
        });
        const details = { from, ...rootsChanged({ fromRoot, toRoot }), era: String(era), version: String(version) };
        await appendAudit(tx, {
          ...{ at: now, actor, action: "rollover.started", target: request.to, outcome: "success", details },
        });
      });
      return await status();
    },
    async resume(actor) {
      const { rollover, rolloutState } = await status();
      if (rollover?.state !== "reissuing" || (rolloutState !== "rolled-back" && rolloutState !== "aborted")) {
        throw new FleetError("conflict", `there is nothing to resume: the waves are ${rolloutState ?? "not begun"}`);
      }
      await store.transaction(async (tx) => {
        await write(tx, { ...rollover, state: "issuing", rollout: "" });
        await appendAudit(tx, {
          ...{
            at: surroundings.clock.now(),
            actor,
            action: "rollover.resumed",
            target: rollover.to,
            outcome: "success",
          },
          details: { from: rollover.from },
        });
      });
      return await status();
    },
    async finish(actor) {
      const rollover = await requireRetiring(store);
      const { issuers: certificates, roots } = trust.current();
      const inForce = certificates.map((der) => spkiSha256(parseCertificate(der).spki));
      const isRootLeft =
        rollover.fromRoot !== rollover.toRoot && roots.some((der) => sha256Hex(der) === rollover.fromRoot);
      if (inForce.includes(rollover.from) || isRootLeft) {
        throw new FleetError("conflict", "the trust bundle in force still holds the old issuing CA or its root", {
          hint: "fleetcert ca rollover finish makes the bundle without it",
        });
      }
      const now = surroundings.clock.now();
      await store.transaction(async (tx) => {
        await write(tx, { ...rollover, state: "finished", finishedAt: now });
        await appendAudit(tx, {
          ...{ at: now, actor, action: "rollover.finished", target: rollover.to, outcome: "success" },
          details: { from: rollover.from, ...rootsChanged(rollover) },
        });
      });
      return await status();
    },
    async step() {
      const rollover = await store.transaction(read);
      if (rollover !== undefined && rollover.state !== "finished") await carryOn(rollover);
    },
  };
}

async function requireRetiring(store: Store): Promise<RolloverRecord> {
  const rollover = await store.transaction(read);
  if (rollover?.state === "retiring") return rollover;
  const why = rollover === undefined ? "none was started" : `it is ${rollover.state}`;
  throw new FleetError("conflict", `the old issuing CA cannot be retired yet: ${why}`, {
    hint: "fleetcert ca rollover status",
  });
}

/** Without a device to re-issue there is nothing to wait for. */
async function stateOf(rollouts: Rollouts, rollover: RolloverRecord | undefined): Promise<RolloutState | undefined> {
  if (rollover === undefined || rollover.switchedAt === undefined) return undefined;
  if (rollover.rollout === "") return rollover.state === "reissuing" ? "completed" : undefined;
  return (await rollouts.show(rollover.rollout)).rollout.state;
}

async function read(tx: Transaction): Promise<RolloverRecord | undefined> {
  const text = await tx.settings.find(setting);
  if (text === undefined) return undefined;
  // JSON leaves out what is undefined.
  return { ...absent, ...(JSON.parse(text) as RolloverRecord) };
}

async function write(tx: Transaction, rollover: RolloverRecord): Promise<void> {
  await tx.settings.put(setting, JSON.stringify(rollover));
}

function notAlone({ state, to }: RolloverRecord): FleetError {
  return new FleetError("conflict", `a rollover to ${to.slice(0, 16)}… is ${state}`, {
    hint: "fleetcert ca rollover status",
  });
}

/** Those always in contact all but one in a hundred; those a courier visits take it with their renewal. */
export const defaultThresholds: Thresholds = { always: 99, daily: 95, rare: 80, courier: 0 };

/** SHA-256 of the root that a chain begins with, hex. */
const rootIn = ([root]: readonly Uint8Array[]): string => (root === undefined ? "" : sha256Hex(root));

const rootsChanged = ({ fromRoot, toRoot }: Pick<RolloverRecord, "fromRoot" | "toRoot">) =>
  fromRoot === toRoot ? {} : { fromRoot, toRoot };

const absent: Partial<RolloverRecord> = { switchedAt: undefined, finishedAt: undefined, fromRoot: "", toRoot: "" };
const setting = "ca-rollover";
