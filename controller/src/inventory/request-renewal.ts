import { FleetError, type Instant } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import { provenGeneration } from "../policy/policy.ts";
import { publishDesired } from "./desired-state.ts";
import { requireDevice } from "./device-state.ts";
import type { InventoryParts } from "./inventory.ts";

/** Asks each device for the generation after its proven one. All are known or nothing is asked. */
export async function requestRenewal(
  parts: InventoryParts,
  request: {
    readonly actor: string;
    readonly devices: readonly string[];
    readonly window: { readonly start: Instant; readonly end: Instant } | undefined;
  },
): Promise<number> {
  const { store, surroundings } = parts;
  const now = surroundings.clock.now();
  const window = request.window ?? { start: now, end: now + parts.renewalWindow };
  if (!(window.start < window.end)) throw new FleetError("request-invalid", "the window ends before it begins");
  return await store.transaction(async (tx) => {
    const ids = new Set(request.devices);
    const devices = [];
    for (const id of ids) devices.push(await requireDevice(tx, id));
    const able = devices.filter(({ state }) => state === "active");
    for (const device of able) {
      const current = provenGeneration(await tx.certificates.listOf(device.id, "identity"));
      await publishDesired(parts, tx, {
        ...device,
        wantedGeneration: current + 1,
        windowStart: window.start,
        windowEnd: window.end,
      });
      await appendAudit(tx, {
        at: now,
        actor: request.actor,
        action: "renewal.requested",
        target: device.id,
        outcome: "success",
        details: { generation: String(current + 1), until: new Date(window.end).toISOString() },
      });
    }
    return able.length;
  });
}
