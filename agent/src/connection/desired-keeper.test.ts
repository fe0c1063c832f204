import { type DesiredState, encodeMessage, payloadTypes, signEnvelope } from "@fleetcert/proto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { CrashingStateStore } from "../../../test/support/agent/crashing-state-store.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { DesiredKeeper } from "./desired-keeper.ts";

const signer = testSigner("P-256");

async function envelopeOf(desired: DesiredState): Promise<Uint8Array> {
  const payload = encodeMessage({
    fleet: "plant-7",
    direction: "controller-to-device",
    sender: "controller",
    recipient: "pump-1",
    messageId: "0".repeat(32),
    inReplyTo: undefined,
    sentAt: 1,
    expiresAt: 2,
    sequence: undefined,
    traceparent: undefined,
    body: { type: "desired", ...desired },
  });
  return signEnvelope(payloadTypes.message, payload, signer);
}

const aDesired = (era: number, version: number): DesiredState => ({
  era,
  version,
  slots: [],
  reportInterval: 60_000,
  retire: false,
  suspended: "",
  maintenance: [],
});

it("I3, I4: the desired state only ever moves forward by (era, version), across restarts", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ era: fc.nat(3), version: fc.nat(5), restarts: fc.boolean() }), { maxLength: 15 }),
      async (offers) => {
        let store = new CrashingStateStore();
        let keeper = await DesiredKeeper.open(store);
        let highest = [-1, -1];
        for (const { era, version, restarts } of offers) {
          if (restarts) {
            store = store.restart();
            keeper = await DesiredKeeper.open(store);
          }
          const desired = aDesired(era, version);
          const isNewer = era > (highest[0] ?? 0) || (era === highest[0] && version > (highest[1] ?? 0));
          expect(await keeper.accept(desired, await envelopeOf(desired))).toBe(isNewer);
          if (isNewer) highest = [era, version];
          if (highest[0] !== -1) expect([keeper.current?.era, keeper.current?.version]).toEqual(highest);
        }
      },
    ),
    { numRuns: 30 },
  );
});

it("what could not be written is not taken", async () => {
  const store = new CrashingStateStore();
  const keeper = await DesiredKeeper.open(store);
  store.cutPower({ inWrites: 1, afterDisk: false });
  const desired = aDesired(1, 1);
  await expect(keeper.accept(desired, await envelopeOf(desired))).rejects.toThrow("power cut");
  expect(keeper.current).toBeUndefined();
});
