import { FleetError, isFleetError, sha256Hex } from "@fleetcert/shared";
import type { Approval, Json, PlanKind } from "../approval/approval.ts";
import { appendAudit } from "../audit/append-audit.ts";
import type { Surroundings } from "../ports.ts";
import type { Store, Transaction } from "../store-port.ts";
import type { Profile } from "./policy.ts";
import { type Profiles, weakeningsOf, withoutWeakenings } from "./weakenings.ts";

/** The profiles that hold now, whatever the file says. */
export interface ProfilesInForce {
  /** Always those that hold; others once a plan has been approved. */
  readonly profiles: Profiles;
  /** Taking over what profiles.yaml weakens is a plan. */
  readonly kind: PlanKind;
  /** Asks for what the file weakens, in the name of the host's administrator who wrote it; another person approves it. */
  propose(approval: Pick<Approval, "submit">): Promise<void>;
}

/**
 * Takes over from profiles.yaml what weakens nothing; the rest waits for a second person (I14): whoever may write that file is
 * one person. The first profiles a controller starts with hold as they are.
 */
export async function adoptProfiles(parts: {
  readonly store: Store;
  readonly surroundings: Surroundings;
  /** As the file says. */
  readonly wanted: Profiles;
}): Promise<ProfilesInForce> {
  const { store, surroundings, wanted } = parts;
  const live = new Map<string, Profile>();
  const take = (kept: Kept): void => {
    live.clear();
    for (const profile of kept.inForce) live.set(profile.name, profile);
  };
  take(await store.transaction((tx) => adopt(tx, { surroundings, wanted })));
  return {
    profiles: live,
    kind: {
      name: kindName,
      draft: (tx, { request }) => draft(tx, request),
      async execute(tx, { plan, request }) {
        const kept = await requireWanted(tx, request);
        await write(tx, { inForce: kept.wanted, wanted: kept.wanted });
        const details = { plan: plan.hash, profiles: textOf(kept.wanted.map(({ name }) => name)) };
        await note(tx, { at: surroundings.clock.now(), actor: plan.requestedBy, details });
      },
      async settle() {
        take((await store.transaction(read)) ?? { inForce: [], wanted: [] });
        return { droppedSessions: 0, blockedAtBroker: 0, epoch: undefined };
      },
    },
    async propose(approval) {
      const weaker = weakeningsOf(live, wanted);
      if (weaker.length === 0) return;
      const settings = weaker.map(({ profile, setting }) => `${profile}${setting === "" ? "" : `.${setting}`}`);
      surroundings.notices.raise({ name: "policy.kept", details: { settings: textOf(settings) } });
      const request = { wanted: hashOf([...wanted.values()]) };
      await approval.submit({ actor: "local", kind: kindName, request }).catch((error: unknown) => {
        if (!isFleetError(error, "second-person-required")) throw error;
      });
    },
  };
}

/** What is in force, and what the file said at the last start. */
interface Kept {
  readonly inForce: readonly Profile[];
  readonly wanted: readonly Profile[];
}

async function adopt(
  tx: Transaction,
  { surroundings, wanted }: { readonly surroundings: Surroundings; readonly wanted: Profiles },
): Promise<Kept> {
  const before = await read(tx);
  const file = [...wanted.values()];
  if (before === undefined) return await write(tx, { inForce: file, wanted: file });
  const inForce = [...withoutWeakenings(byName(before.inForce), wanted).values()];
  if (hashOf(inForce) !== hashOf(before.inForce)) {
    const old = byName(before.inForce);
    const changed = inForce.filter(
      (one) => old.get(one.name) === undefined || hashOf([one]) !== hashOf([old.get(one.name) as Profile]),
    );
    const gone = before.inForce.filter(({ name }) => inForce.every((one) => one.name !== name));
    const details = { changed: textOf(changed.map(({ name }) => name)), gone: textOf(gone.map(({ name }) => name)) };
    await note(tx, { at: surroundings.clock.now(), actor: "controller", details });
  }
  return await write(tx, { inForce, wanted: file });
}

async function draft(tx: Transaction, request: Json) {
  const { inForce, wanted } = await requireWanted(tx, request);
  const changes = weakeningsOf(byName(inForce), byName(wanted)).map(({ profile, setting, from, to }) => ({
    ...{ profile, setting, from, to },
  }));
  const to = hashOf(wanted);
  return {
    request: { wanted: to },
    budget: "policy" as const,
    weight: changes.length,
    items: [...new Set(changes.map(({ profile }) => profile))],
    facts: { from: hashOf(inForce), to, changes },
    impact: { changes },
  };
}

/** Throws `conflict` when the file has said something else at a start since. */
async function requireWanted(tx: Transaction, request: Json): Promise<Kept> {
  const kept = await read(tx);
  const { wanted } = request as { readonly wanted?: Json };
  if (kept !== undefined && hashOf(kept.wanted) === wanted) return kept;
  throw new FleetError("conflict", "profiles.yaml has said something else since", {
    hint: "look at the plans that wait: fleetcert approve list",
  });
}

async function read(tx: Transaction): Promise<Kept | undefined> {
  const text = await tx.settings.find(setting);
  return text === undefined ? undefined : (JSON.parse(text) as Kept);
}

async function write(tx: Transaction, kept: Kept): Promise<Kept> {
  await tx.settings.put(setting, JSON.stringify(kept));
  return kept;
}

async function note(
  tx: Transaction,
  { at, actor, details }: { readonly at: number; readonly actor: string; readonly details: Record<string, string> },
): Promise<void> {
  await appendAudit(tx, { at, actor, action: "settings.changed", target: "profiles", outcome: "success", details });
}

const byName = (profiles: readonly Profile[]): Profiles => new Map(profiles.map((one) => [one.name, one]));

/** The same for the same profiles, in whatever order they and their settings are written. */
function hashOf(profiles: readonly Profile[]): string {
  const sorted = [...profiles].sort((a, b) => (a.name < b.name ? -1 : 1));
  const text = JSON.stringify(sorted, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return sha256Hex(Buffer.from(text));
}

/** Short enough for an audit entry. */
const textOf = (names: readonly string[]): string => names.join(", ").slice(0, 400);

const kindName = "policy";
const setting = "profiles";
