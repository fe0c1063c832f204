import type { CommandKey, CommandKeyUse } from "@fleetcert/proto";
import { type Duration, type Instant, type KeyProvider, spkiSha256 } from "@fleetcert/shared";

/** When one command key of a ladder is valid. */
export interface LadderStep {
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/**
 * Steps of one use from `from` until at least `until`: each lives 90 days and begins 15 days before its predecessor
 * ends, so that no root is needed to move on and a clock that is off by days finds a valid key.
 */
export function planLadder({ from, until }: { readonly from: Instant; readonly until: Instant }): LadderStep[] {
  const steps: LadderStep[] = [];
  for (let notBefore = from; ; notBefore += keyLifetime - overlap) {
    const notAfter = notBefore + keyLifetime;
    steps.push({ notBefore, notAfter });
    if (notAfter >= until) return steps;
  }
}

/** Makes the keys of a ladder for each use, in the provider, and describes them for the bundle. */
export async function makeLadder(request: {
  readonly keys: KeyProvider;
  /** SPKI SHA-256 of the issuers the `heads` keys speak for. */
  readonly issuers: readonly string[];
  /** From when on each use needs keys. */
  readonly from: Readonly<Record<CommandKeyUse, Instant>>;
  readonly until: Instant;
}): Promise<CommandKey[]> {
  const ladder: CommandKey[] = [];
  const { keys, issuers, until } = request;
  for (const use of commandKeyUses) {
    ladder.push(...(await makeUseLadder({ keys, issuers, use, from: request.from[use], until })));
  }
  return ladder;
}

/** Makes the keys of one use. */
export async function makeUseLadder(request: {
  readonly keys: KeyProvider;
  readonly issuers: readonly string[];
  readonly use: CommandKeyUse;
  readonly from: Instant;
  readonly until: Instant;
}): Promise<CommandKey[]> {
  const { use } = request;
  const ladder: CommandKey[] = [];
  for (const { notBefore, notAfter } of planLadder(request)) {
    const { spki } = await request.keys.generate({ algorithm: "P-256", label: `command-${use}-${notBefore}` });
    const issuers = use === "heads" ? request.issuers : [];
    ladder.push({ spki, keyId: spkiSha256(spki), use, issuers, notBefore, notAfter });
  }
  return ladder;
}

/** Every use that command keys are made for, one key each. */
export const commandKeyUses: readonly CommandKeyUse[] = ["messages", "heads", "time"];

const day: Duration = 86_400_000;
/** DESIGN.md section 4: at most 90 days. */
const keyLifetime: Duration = 90 * day;
const overlap: Duration = 15 * day;
