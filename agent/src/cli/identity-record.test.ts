import { Secret } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { slotKey } from "../renewal/runner.ts";
import { emptySlot, type SlotState } from "../renewal/slot-state.ts";
import { encodeSlotState } from "../renewal/slot-state-codec.ts";
import { putTwin } from "../twin/twin-record.ts";
import { type IdentityWishes, readIdentity, readSlot, settleIdentity } from "./identity-record.ts";

const root = "ab".repeat(32);
const key = { ref: "software:k1", id: "k1" };
const next = { generation: 1, key, certificate: Uint8Array.of(1), chain: [], notBefore: 0, notAfter: 1 };
const requested: SlotState = {
  ...emptySlot,
  journal: { at: "requested", generation: 1, key, csr: Uint8Array.of(1) },
};

function wishes(
  changes: Partial<IdentityWishes> & { readonly fleet?: string; readonly rootSha256?: string } = {},
): IdentityWishes {
  const { fleet = "plant-7", rootSha256 = root, ...rest } = changes;
  const claim = { claimId: "claim0001", secret: Secret.of("A".repeat(22)), fleet, rootSha256 };
  return { device: "pump-1", hostName: "Host-9", rootFingerprint: "", claim: async () => claim, ...rest };
}

async function aStore(slot?: SlotState) {
  const store = new CrashingStateStore();
  await settleIdentity(store, wishes());
  if (slot !== undefined) await store.write(putTwin(slotKey("identity"), encodeSlotState(slot)));
  return store;
}

describe("who a device is", () => {
  it("follows from the claim and the configuration, or the host's name", async () => {
    const store = new CrashingStateStore();
    await settleIdentity(store, wishes({ device: "" }));
    expect(await readIdentity(store)).toEqual({ fleet: "plant-7", device: "host-9", rootSha256: root });
    await expect(settleIdentity(new CrashingStateStore(), wishes({ device: "", hostName: "-" }))).rejects.toMatchObject(
      {
        code: "config-invalid",
      },
    );
  });

  it("can be corrected while no certificate was issued; what was begun under another name is dropped", async () => {
    const store = await aStore(requested);
    const settled = await settleIdentity(store, wishes({ device: "pump-2", fleet: "plant-8" }));
    expect(settled).toEqual({
      identity: { fleet: "plant-8", device: "pump-2", rootSha256: root },
      replacedDevice: "pump-1",
    });
    expect(await readSlot(store)).toEqual(emptySlot);
  });

  it("keeps what was begun when only the claim is another", async () => {
    const store = await aStore(requested);
    const settled = await settleIdentity(store, wishes({ rootSha256: "cd".repeat(32) }));
    expect(settled).toMatchObject({ identity: { rootSha256: "cd".repeat(32) }, replacedDevice: undefined });
    expect(await readSlot(store)).toEqual(requested);
  });

  it.each<[string, SlotState]>([
    ["issued", { ...emptySlot, journal: { at: "issued", next } }],
    ["in use", { ...emptySlot, current: next }],
    ["retired", { ...emptySlot, journal: { at: "retired", isErased: true } }],
  ])("is settled once a certificate is %s, and needs no claim any more", async (_, slot) => {
    const store = await aStore(slot);
    const claim = async () => expect.fail("the claim is not needed");
    expect((await settleIdentity(store, wishes({ device: "", claim }))).identity.device).toBe("pump-1");
    await expect(settleIdentity(store, wishes({ device: "pump-2", claim }))).rejects.toMatchObject({
      code: "config-invalid",
    });
    await expect(settleIdentity(store, wishes({ rootFingerprint: "cd".repeat(32), claim }))).rejects.toMatchObject({
      code: "config-invalid",
    });
  });

  it("is not settled by a claim of another root than the fingerprint given", async () => {
    const store = new CrashingStateStore();
    const contradiction = wishes({ rootFingerprint: "cd".repeat(32) });
    await expect(settleIdentity(store, contradiction)).rejects.toMatchObject({ code: "config-invalid" });
    expect(await readIdentity(store)).toBeUndefined();
  });
});
