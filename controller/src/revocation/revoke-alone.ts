import type { Instant } from "@fleetcert/shared";
import type { Transaction } from "../store-port.ts";

/**
 * What one person has revoked within the last 24 hours, so that many small jobs do not add up beyond the bound (I14).
 * Every key of a person carries the same actor name.
 */
export async function countWithinDay(
  tx: Transaction,
  { actor, now }: { readonly actor: string; readonly now: Instant },
): Promise<number> {
  return (await recentOf(tx, actor, now)).length;
}

/** Counts one more, in the transaction that executes it. */
export async function countOneMore(
  tx: Transaction,
  { actor, now }: { readonly actor: string; readonly now: Instant },
): Promise<void> {
  await tx.settings.put(settingOf(actor), JSON.stringify([...(await recentOf(tx, actor, now)), now]));
}

async function recentOf(tx: Transaction, actor: string, now: Instant): Promise<Instant[]> {
  const text = await tx.settings.find(settingOf(actor));
  const instants = text === undefined ? [] : (JSON.parse(text) as Instant[]);
  // An instant ahead of a clock that was set back still counts.
  return instants.filter((instant) => instant > now - day);
}

const settingOf = (actor: string): string => `revoked-alone/${actor}`;
const day = 86_400_000;
