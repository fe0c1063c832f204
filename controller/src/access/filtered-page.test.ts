import { describe, expect, it } from "vitest";
import { memoryStore } from "../adapters/store/memory/memory-store.ts";
import type { DeviceRecord } from "../records.ts";
import { filteredPage } from "./filtered-page.ts";
import type { ListRequest } from "./operations.ts";

describe("a filtered page", () => {
  it("walks every match once, in order, whatever the page size", async () => {
    const store = await storeWith(501);
    for (const limit of [1, 7, 100, 1000]) {
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await list(store, { filter: "site=even", limit, ...(after !== undefined && { after }) });
        seen.push(...page.items);
        after = page.next;
      } while (after !== undefined);
      expect(seen).toHaveLength(251);
      expect(seen).toEqual([...new Set(seen)].sort());
    }
  });

  it("gives everything without a filter, at most the limit", async () => {
    const page = await list(await storeWith(10), { limit: 4 });
    expect(page.items).toEqual(["edge-000", "edge-001", "edge-002", "edge-003"]);
    expect(page.next).toBe("edge-003");
  });

  it("refuses a field that the things listed do not have, and names those they have", async () => {
    const asked = list(await storeWith(1), { filter: "colour=red" });
    await expect(asked).rejects.toMatchObject({ code: "filter-invalid", hint: "fields: id, site" });
  });
});

function list(store: Awaited<ReturnType<typeof storeWith>>, request: ListRequest) {
  return filteredPage(store, request, {
    read: (tx, page) => tx.devices.list(page),
    keyOf: ({ id }) => id,
    view: async (_tx, { id }) => id,
    facts: (id) => ({ id, site: Number(id.slice(-1)) % 2 === 0 ? "even" : "odd" }),
    fields: ["id", "site"],
  });
}

async function storeWith(count: number) {
  const store = memoryStore();
  await store.transaction(async (tx) => {
    for (let index = 0; index < count; index += 1)
      await tx.devices.put(device(`edge-${String(index).padStart(3, "0")}`));
  });
  return store;
}

function device(id: string): DeviceRecord {
  return {
    id,
    state: "active",
    stateReason: "",
    attributes: { site: "", owner: "", environment: "", criticality: "low", tags: [], ...reached },
    createdAt: 0,
    lastSeenAt: undefined,
    desiredVersion: 0,
    agentVersion: "",
    clockOffset: 0,
    claimId: "",
  };
}

const reached = { connectivity: "always", connectivityBy: "computed" } as const;
