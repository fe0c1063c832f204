import { FleetError } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { Transaction } from "../store-port.ts";
import type { ApprovalParts, Bounds, Json, PlanKind } from "./approval.ts";
import { draftedPlan } from "./draft-plan.ts";
import { letWait } from "./submit-plan.ts";

/** The bounds that hold now: those kept in the store, else those of the configuration. */
export async function boundsInForce(tx: Transaction, configured: Bounds): Promise<Bounds> {
  const kept = await read(tx);
  return Object.fromEntries(names(configured).map((name) => [name, kept[name]?.inForce ?? configured[name]])) as Bounds;
}

/**
 * Takes over what the configuration lowered. What it raised waits as a plan of the host's administrator, for whoever may write
 * that file is one person, and raising a bound needs two (I14).
 */
export async function adoptBounds(parts: ApprovalParts): Promise<void> {
  const { store, surroundings, configured } = parts;
  await store.transaction(async (tx) => {
    const raised: (keyof Bounds)[] = [];
    const kept = await read(tx);
    const next: Kept = { ...kept };
    for (const name of names(configured)) {
      const before = kept[name];
      if (before?.configured === configured[name]) continue;
      const inForce = Math.min(before?.inForce ?? configured[name], configured[name]);
      next[name] = { configured: configured[name], inForce };
      if (before === undefined) continue;
      const details = { bound: name, configured: String(configured[name]), inForce: String(inForce) };
      if (inForce < configured[name]) {
        surroundings.notices.raise({ name: "bound.kept", details });
        raised.push(name);
      }
      await audit(tx, { actor: "controller", at: surroundings.clock.now(), name, details });
    }
    if (JSON.stringify(next) !== JSON.stringify(kept)) await tx.settings.put(setting, JSON.stringify(next));
    for (const name of raised) await propose(parts, tx, name);
  });
}

async function propose(parts: ApprovalParts, tx: Transaction, name: keyof Bounds): Promise<void> {
  const [actor, kind] = ["local", boundKind(parts)];
  const draft = await kind.draft(tx, { actor, request: { bound: name, value: parts.configured[name] } });
  const { plan } = await draftedPlan(parts, tx, { actor, kind: kind.name, rate: 0, draft });
  await letWait(parts, tx, plan);
}

/** Changing a bound: lowering is free, raising needs two persons always. */
export function boundKind({ configured, surroundings }: ApprovalParts): PlanKind {
  return {
    name: "bound",
    async draft(tx, { request }) {
      const { bound: name, value } = request as { readonly bound?: Json; readonly value?: Json };
      if (!isName(configured, name)) {
        throw new FleetError("request-invalid", `there is no bound ${String(name).slice(0, 40)}`, {
          hint: `one of ${names(configured).join(", ")}`,
        });
      }
      if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > 1_000_000_000) {
        throw new FleetError("request-invalid", "a bound is a whole number from 0 to 1,000,000,000");
      }
      const before = (await boundsInForce(tx, configured))[name];
      const change = { bound: name, from: before, to: value };
      return {
        request: { bound: name, value },
        budget: "policy",
        weight: value > before ? 1 : 0,
        items: [name],
        facts: change,
        impact: change,
      };
    },
    async execute(tx, { plan, request }) {
      const { bound: name, value } = request as { readonly bound: keyof Bounds; readonly value: number };
      const kept = await read(tx);
      const before = kept[name]?.inForce ?? configured[name];
      const next: Kept = { ...kept, [name]: { configured: configured[name], inForce: value } };
      await tx.settings.put(setting, JSON.stringify(next));
      const details = { bound: name, before: String(before), inForce: String(value), plan: plan.hash };
      await audit(tx, { actor: plan.requestedBy, at: surroundings.clock.now(), name, details });
    },
    settle: async () => ({ droppedSessions: 0, blockedAtBroker: 0, epoch: undefined }),
  };
}

type Kept = Partial<Record<keyof Bounds, { readonly configured: number; readonly inForce: number }>>;

async function read(tx: Transaction): Promise<Kept> {
  return JSON.parse((await tx.settings.find(setting)) ?? "{}") as Kept;
}

async function audit(
  tx: Transaction,
  change: {
    readonly actor: string;
    readonly at: number;
    readonly name: string;
    readonly details: Record<string, string>;
  },
): Promise<void> {
  const { actor, at, name, details } = change;
  const event = { action: "settings.changed", target: `bounds.${name}`, outcome: "success" } as const;
  await appendAudit(tx, { at, actor, ...event, details });
}

const names = (bounds: Bounds): (keyof Bounds)[] => Object.keys(bounds).sort() as (keyof Bounds)[];

const isName = (bounds: Bounds, name: Json | undefined): name is keyof Bounds =>
  typeof name === "string" && Object.hasOwn(bounds, name);

const setting = "bounds";
