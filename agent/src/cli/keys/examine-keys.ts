import { FleetError } from "@fleetcert/shared";
import type { CliContext } from "../context.ts";
import { type Finding, look } from "../finding.ts";
import { type Inventory, withInventory } from "./key-inventory.ts";

/** Looks at the key store and at every key that is needed; changes nothing. What cannot be looked at is left out. */
export async function examineKeys(data: string, context: Pick<CliContext, "env" | "clock">): Promise<Finding[]> {
  const findings: Finding[] = [];
  const store = await look("key store", () =>
    withInventory(data, context, async (inventory) => {
      findings.push(...(await examineInventory(inventory)));
      const { kind, protection, description, serial } = inventory.info;
      return `${kind} (${protection}), ${description}${serial === undefined ? "" : `, serial ${serial}`}`;
    }),
  );
  return [store, ...findings];
}

async function examineInventory(inventory: Inventory): Promise<Finding[]> {
  const { keys, provider } = inventory;
  const findings = [await look("kinds of keys", async () => kindsOf(inventory))];
  for (const { slot, keys: needed } of inventory.status?.slots ?? []) {
    for (const { ref, id, role } of needed) {
      findings.push(await look(`${slot}, ${role} key`, () => signWith(provider, { ref, id })));
    }
  }
  findings.push(await look("left over", async () => leftOver(keys)));
  return findings;
}

function kindsOf({ info }: Inventory): string {
  if (info.algorithms.length > 0) return info.algorithms.join(", ");
  throw new FleetError("token-error", "the store makes no keys", {
    hint: "use another token, or a module that makes keys",
  });
}

async function signWith(
  provider: Inventory["provider"],
  { ref, id }: { readonly ref: string; readonly id: string },
): Promise<string> {
  const key = await provider.open(ref);
  const begun = process.hrtime.bigint();
  await key.sign(Buffer.from("fleetcert-agent keys doctor"));
  const ms = Number(process.hrtime.bigint() - begun) / 1e6;
  // Also whether OpenSSL takes it: the addon may be missing.
  key.tlsKey();
  return `${key.algorithm} ${id.slice(0, 16)}… signs in ${ms.toPrecision(2)} ms, also for TLS`;
}

function leftOver(keys: Inventory["keys"]): string {
  const stray = keys.filter(({ owner, usedBy }) => owner === "this agent" && usedBy === "");
  if (stray.length <= 1) return stray.length === 0 ? "nothing" : "one key, which the next rotation uses or collects";
  throw new FleetError("conflict", `${stray.length} keys of this agent are referred to by nothing`, {
    hint: "fleetcert-agent keys delete, then the same with --yes",
  });
}
