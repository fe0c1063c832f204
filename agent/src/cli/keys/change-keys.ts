import { FleetError, type KeyAlgorithm } from "@fleetcert/shared";
import type { CliContext } from "../context.ts";
import { type Inventory, type KeyView, ownPrefix, requireKey, withInventory } from "./key-inventory.ts";

/** Makes a key for other software. Throws `usage` for a label of the agent's own, `already-exists` for one that is taken. */
export function createKey(
  data: string,
  context: Pick<CliContext, "env" | "clock">,
  request: { readonly label: string; readonly algorithm: KeyAlgorithm },
): Promise<{ readonly id: string; readonly ref: string; readonly label: string; readonly algorithm: KeyAlgorithm }> {
  const { label } = request;
  if (label.startsWith(ownPrefix)) {
    throw new FleetError("usage", `"${label.slice(0, 200)}" is a label of the agent's own keys, which it collects`, {
      hint: `choose one that does not begin with ${ownPrefix}`,
    });
  }
  return withInventory(data, context, async ({ keys, provider }) => {
    if (keys.some((key) => key.label === label)) {
      throw new FleetError("already-exists", `there is a key "${label}" already`, { hint: "choose another label" });
    }
    const { id, ref, algorithm } = await provider.generate(request);
    return { id, ref, label, algorithm };
  });
}

/**
 * Destroys keys and returns them: those named, or all that this agent made and its journal does not refer to. A dry run
 * only returns them.
 *
 * Throws `conflict` for a key that is needed, or while a rotation is under way that may be about to need one; `denied` for a
 * key of other software that was not asked for as such; `key-not-found`. Then nothing was destroyed.
 */
export function deleteKeys(
  data: string,
  context: Pick<CliContext, "env" | "clock">,
  request: { readonly wanted: readonly string[]; readonly isDryRun: boolean; readonly isForeignTaken: boolean },
): Promise<KeyView[]> {
  return withInventory(data, context, async (inventory) => {
    const doomed = doomedOf(inventory, request);
    if (request.isDryRun) return doomed;
    requireNoRotation(inventory);
    for (const { ref } of doomed) await inventory.provider.destroy(ref);
    return doomed;
  });
}

function doomedOf(
  { keys, status }: Inventory,
  { wanted, isForeignTaken }: { readonly wanted: readonly string[]; readonly isForeignTaken: boolean },
): KeyView[] {
  if (wanted.length === 0) {
    if (status === undefined)
      throw new FleetError("not-found", "no device has enrolled here", { hint: "name the keys" });
    return keys.filter(({ owner, usedBy }) => owner === "this agent" && usedBy === "");
  }
  const named = wanted.map((one) => requireKey(keys, one));
  for (const { label, id, usedBy, owner } of named) {
    if (usedBy !== "") {
      throw new FleetError("conflict", `key ${id.slice(0, 16)}… "${label}" is needed: ${usedBy}`, {
        hint: "a rotation replaces it and destroys it afterwards: fleetcert-agent renew",
      });
    }
    if (owner !== "this agent" && !isForeignTaken) {
      throw new FleetError("denied", `key ${id.slice(0, 16)}… "${label}" was made by ${owner}`, {
        hint: "if nobody needs it, say so with --foreign",
      });
    }
  }
  return named;
}

function requireNoRotation({ status }: Inventory): void {
  const busy = status?.slots.find(({ journal }) => !["idle", "confirmed", "retired"].includes(journal));
  if (busy === undefined) return;
  throw new FleetError("conflict", `a rotation of ${busy.slot} is under way: ${busy.journal}`, {
    hint: "wait until it is done; the agent collects by itself what it leaves over",
    retry: true,
  });
}
