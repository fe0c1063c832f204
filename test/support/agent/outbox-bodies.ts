import type { BodyOf } from "@fleetcert/proto";
import { testNow } from "../pki/fleet-trust.ts";

/** A security event with only what a test cares about given. */
export function anEvent(name: string, details: Readonly<Record<string, string>> = {}): BodyOf<"event"> {
  return { type: "event", name, at: testNow, details };
}

/** An ack of an epoch. */
export function anAck(epoch: number, issuer = "ab".repeat(32)): BodyOf<"ack"> {
  const headSha256 = new Uint8Array(32).fill(epoch % 256);
  return { type: "ack", issuer, era: 1, epoch, headSha256, appliedAt: testNow, via: "mqtt" };
}

/** A report that can be told from others by its desired version. */
export function aReport(desiredVersion: number): BodyOf<"report"> {
  return {
    type: "report",
    agentVersion: "0.1.0",
    platform: "test",
    clockOffset: 0,
    timeStatus: "anchored",
    slots: [],
    epochs: [],
    trustEra: 1,
    trustVersion: 1,
    desiredVersion,
    outboxLength: 0,
  };
}
