import type { Duration, Instant } from "@fleetcert/shared";
import type { Surroundings } from "../ports.ts";
import type { Transaction } from "../store-port.ts";

/**
 * The keys that challenges are made and judged with, the newest first: never more than two, each used for {@link keyLife}
 * and believed for as long again. They stand in the store so that a restart, or another controller, believes them too;
 * what a stolen backup holds has ended.
 */
export async function currentChallengeKeys(
  tx: Transaction,
  { clock, random }: Pick<Surroundings, "clock" | "random">,
): Promise<Uint8Array[]> {
  const now = clock.now();
  const kept = parse(await tx.settings.find(setting)).filter(({ madeAt }) => Math.abs(now - madeAt) < 2 * keyLife);
  const isFresh = kept.some(({ madeAt }) => now - madeAt < keyLife);
  const keys = isFresh ? kept : [{ madeAt: now, key: hexOf(random.bytes(32)) }, ...kept].slice(0, 2);
  if (!isFresh) await tx.settings.put(setting, JSON.stringify(keys));
  return keys.map(({ key }) => new Uint8Array(Buffer.from(key, "hex")));
}

interface ChallengeKey {
  readonly madeAt: Instant;
  /** Hex. */
  readonly key: string;
}

const parse = (text: string | undefined): ChallengeKey[] =>
  text === undefined ? [] : (JSON.parse(text) as ChallengeKey[]);

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const setting = "attestation/challenge-keys";
const keyLife: Duration = 10 * 60_000;
