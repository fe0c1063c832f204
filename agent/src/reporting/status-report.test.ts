import { type Body, decodeBodyAtRest, encodeBodyAtRest } from "@fleetcert/proto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { aSlot, someFacts } from "../../../test/support/agent/report-facts.ts";
import { testNow } from "../../../test/support/pki/fleet-trust.ts";
import { statusReport } from "./status-report.ts";

const readBack = (body: Body) => decodeBodyAtRest(encodeBodyAtRest(body));

it("a report says what the duties know", () => {
  expect(statusReport(someFacts())).toMatchObject({
    timeStatus: "anchored",
    clockOffset: -172_800_000,
    slots: [{ slot: "identity", generation: 2, journal: "idle", certificateAge: 86_400_000, protection: "token" }],
    epochs: [{ epoch: 7, stale: false }],
    trustEra: 1,
    trustVersion: 3,
    desiredVersion: 12,
    outboxLength: 4,
  });
});

it("a report of a device without a credential, trust or epochs can be sent", () => {
  const slots = [aSlot({ generation: 0, certificate: undefined })];
  const report = statusReport(someFacts({ slots, epochs: [], trust: undefined }));
  expect(readBack(report)).toEqual(report);
  expect(report).toMatchObject({
    trustVersion: 0,
    slots: [{ certificateAge: 0, certificateSha256: new Uint8Array() }],
  });
});

it("the age of a certificate from the future is zero", () => {
  const slots = [aSlot({ certificate: { sha256: new Uint8Array(32), notBefore: testNow + 1 } })];
  expect(statusReport(someFacts({ slots })).slots[0]?.certificateAge).toBe(0);
});

it("a report can be read by the controller whatever texts and however many rows the facts hold", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 700 }),
    fc.constant("\0\n\u2028\u202e\u2066".repeat(200)),
    fc.constant("\u{1f512}".repeat(400).slice(1)),
  );
  const rows = fc.constantFrom(0, 1, 70);
  fc.assert(
    fc.property(text, text, rows, fc.double({ noNaN: true, min: -1e15, max: 1e15 }), (one, two, count, clockOffset) => {
      const slot = aSlot({ journal: one, protection: two, lastError: two });
      const facts = someFacts({
        agentVersion: one,
        platform: two,
        clockOffset,
        slots: Array(count).fill(slot),
        epochs: Array(count).fill(someFacts().epochs[0]),
      });
      expect(readBack(statusReport(facts))).toMatchObject({ type: "report", clockOffset: Math.round(clockOffset) + 0 });
    }),
    { numRuns: 40 },
  );
});
