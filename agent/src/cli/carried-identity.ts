import { FleetError } from "@fleetcert/shared";
import type { CarriedIdentity } from "../courier/courier.ts";
import type { RenewalRunner } from "../renewal/runner.ts";
import { type CredentialRecord, generationUnderWay, pendingKey } from "../renewal/slot-state.ts";
import type { KeyStores } from "./key-stores.ts";

/** The keys that sign bundles. Rejects with `not-found` before the first credential, or as the provider's `open` does. */
export async function identityOf({
  runner,
  keys,
}: {
  readonly runner: RenewalRunner;
  readonly keys: KeyStores;
}): Promise<CarriedIdentity> {
  const { current, unproven, journal } = runner.state;
  if (current === undefined) return { current: await firstOf(runner, keys), next: undefined };
  const open = async ({ generation, key }: CredentialRecord) => ({ generation, key: await keys.open(key.ref) });
  const next = journal.at === "proving" ? journal.next : unproven;
  return { current: await open(current), next: next && (await open(next)) };
}

/** Before the first proof: the key under way. */
async function firstOf(runner: RenewalRunner, keys: KeyStores): Promise<CarriedIdentity["current"]> {
  const { journal } = runner.state;
  const key = journal.at === "retired" ? undefined : pendingKey(journal);
  if (key !== undefined) return { generation: generationUnderWay(runner.state), key: await keys.open(key.ref) };
  throw new FleetError("not-found", "this device has not enrolled: it has no key that a bundle could be signed with", {
    hint: "fleetcert-agent enrol --controller HOST --claim-file FILE, or bundle export --claim-file FILE without a network",
  });
}
