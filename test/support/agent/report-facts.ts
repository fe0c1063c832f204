import type { ReportFacts, SlotFacts } from "../../../agent/src/reporting/status-report.ts";
import { testNow } from "../pki/fleet-trust.ts";

/** Facts of a healthy device, with only what a test cares about given. */
export function someFacts(changes: Partial<ReportFacts> = {}): ReportFacts {
  return {
    agentVersion: "0.1.0",
    platform: "linux x64",
    estimate: { at: testNow, status: "anchored" },
    clockOffset: -2 * day,
    slots: [aSlot()],
    epochs: [{ issuer: "ab".repeat(32), era: 1, epoch: 7, stale: false }],
    trust: { era: 1, version: 3, isStale: false },
    desiredVersion: 12,
    outboxLength: 4,
    ...changes,
  };
}

/** A slot at rest with a certificate of yesterday. */
export function aSlot(changes: Partial<SlotFacts> = {}): SlotFacts {
  return {
    slot: "identity",
    generation: 2,
    certificate: { sha256: new Uint8Array(32).fill(1), notBefore: testNow - day },
    journal: "idle",
    protection: "token",
    lastError: "",
    rollbacks: 0,
    rollbackCause: "",
    rollbackAt: 0,
    keyStore: "pkcs11:token=fleet",
    ...changes,
  };
}

const day = 86_400_000;
