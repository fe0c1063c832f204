import { FleetError } from "@fleetcert/shared";
import type { CarriedIdentity } from "../courier/courier.ts";
import type { RenewalRunner } from "../renewal/runner.ts";
import type { CredentialRecord } from "../renewal/slot-state.ts";
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
  if (current === undefined) {
    throw new FleetError(
      "not-found",
      "this device has not enrolled: it has no key that a bundle could be signed with",
      {
        hint: "fleetcert-agent enrol --controller HOST --claim-file FILE, where it has a network",
      },
    );
  }
  const open = async ({ generation, key }: CredentialRecord) => ({ generation, key: await keys.open(key.ref) });
  const next = journal.at === "proving" ? journal.next : unproven;
  return { current: await open(current), next: next && (await open(next)) };
}
