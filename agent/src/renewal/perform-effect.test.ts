import { FleetError, type KeyProvider } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { KeptLog } from "../../../test/support/agent/agent-surroundings.ts";
import { memoryKeyProvider } from "../../../test/support/keys/memory-key-provider.ts";
import { performEffect, type RenewalActions } from "./perform-effect.ts";

describe("finding the key of an intended generation", () => {
  const label = "fleetcert:pump-1:identity:2";
  const generate = (keys: KeyProvider) =>
    performEffect(
      { do: "generate", generation: 2, inUse: [], upTo: 2, store: undefined },
      {
        ...{ device: "pump-1", slot: "identity", keys, log: new KeptLog() },
        algorithm: () => "P-256",
        actions: {} as RenewalActions,
      },
      new AbortController().signal,
    );

  it("uses the one a crash left behind", async () => {
    const keys = memoryKeyProvider();
    const { id, ref } = await keys.generate({ algorithm: "P-256", label });
    expect(await generate(keys)).toEqual({ type: "keyReady", generation: 2, key: { id, ref } });
  });

  it.each(["key-attributes-wrong", "key-not-found"] as const)(
    "destroys one that was left half made: %s",
    async (code) => {
      const keys = memoryKeyProvider();
      const half = await keys.generate({ algorithm: "P-256", label });
      const whole = await keys.generate({ algorithm: "P-256", label });
      const found = await generate(refusing(keys, half.ref, new FleetError(code, "half")));
      expect(found).toMatchObject({ key: { id: whole.id } });
      expect((await keys.list(label)).map(({ id }) => id)).toEqual([whole.id]);
      const other = await generate(refusing(keys, whole.ref, new FleetError(code, "half")));
      const left = (await keys.list(label)).map(({ id }) => id);
      expect(left).toHaveLength(1);
      expect(other).toMatchObject({ key: { id: left[0] } });
      expect(left).not.toContain(whole.id);
    },
  );

  it("destroys nothing while the token cannot say what it holds", async () => {
    const keys = memoryKeyProvider();
    const { ref } = await keys.generate({ algorithm: "P-256", label });
    const broken = refusing(keys, ref, new FleetError("key-store-unavailable", "gone", { retry: true }));
    await expect(generate(broken)).rejects.toMatchObject({ code: "key-store-unavailable" });
    expect(await keys.list(label)).toHaveLength(1);
  });
});

function refusing(keys: KeyProvider, ref: string, error: FleetError): KeyProvider {
  return { ...keys, open: (asked) => (asked === ref ? Promise.reject(error) : keys.open(asked)) };
}
