import { FleetError, type Instant } from "@fleetcert/shared";
import type { Transaction } from "../store-port.ts";

/** Somebody who acts, whatever certificate or key was used. */
export interface Person {
  readonly name: string;
  /**
   * The person and everybody who could be behind the act: those who gave this access, and those who gave them theirs. The
   * host's administrator is left out, who owns the store anyway and counts as one person of its own.
   */
  readonly lineage: ReadonlySet<string>;
}

/**
 * The person behind an actor, as the register of operators says in this transaction. Throws `denied` when the access has
 * ended since the request came in. An actor nobody registered is a person of its own.
 */
export async function personBehind(tx: Transaction, actor: string, now: Instant): Promise<Person> {
  if (!actor.startsWith(operatorPrefix)) return { name: actor, lineage: new Set([actor]) };
  const own = await accessOf(tx, actor);
  if (own.endedAt !== undefined && own.endedAt <= now)
    throw new FleetError("denied", `the access of ${actor} has ended`);
  const lineage = new Set([own.person]);
  const waiting = [...own.creators];
  const seen = new Set([actor]);
  for (let creator = waiting.pop(); creator !== undefined; creator = waiting.pop()) {
    if (seen.has(creator) || !creator.startsWith(operatorPrefix)) continue;
    seen.add(creator);
    const access = await accessOf(tx, creator);
    lineage.add(access.person);
    waiting.push(...access.creators);
  }
  return { name: own.person, lineage };
}

interface Access {
  readonly person: string;
  readonly creators: readonly string[];
  readonly endedAt: Instant | undefined;
}

/** `operator:NAME`, or `operator:NAME#KEY` for one that used an API key: whoever made the key has seen it. */
async function accessOf(tx: Transaction, actor: string): Promise<Access> {
  const [name = "", keyId] = actor.slice(operatorPrefix.length).split("#");
  const operator = await tx.operators.find(name);
  if (operator === undefined) return { person: actor, creators: [], endedAt: undefined };
  const key = keyId === undefined ? undefined : await tx.apiKeys.find(keyId);
  const ends = [operator.disabledAt, key?.revokedAt, key?.expiresAt].filter((end) => end !== undefined);
  return {
    person: operator.person,
    creators: [operator.createdBy, ...(key === undefined ? [] : [key.createdBy])],
    endedAt: ends.length === 0 ? undefined : Math.min(...ends),
  };
}

const operatorPrefix = "operator:";
