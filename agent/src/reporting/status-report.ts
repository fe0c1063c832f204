import type { BodyOf, EpochStatus, SlotStatus } from "@fleetcert/proto";
import type { Duration, Instant } from "@fleetcert/shared";
import type { TimeEstimate } from "../ports.ts";

/** What a slot says of itself. */
export interface SlotFacts {
  readonly slot: string;
  /** Generation of the credential in use; 0 before the first. */
  readonly generation: number;
  /** The certificate in use. */
  readonly certificate: { readonly sha256: Uint8Array; readonly notBefore: Instant } | undefined;
  /** State of the renewal journal. */
  readonly journal: string;
  readonly protection: string;
  /** Code and message of what failed last; empty when nothing did. */
  readonly lastError: string;
  /** How often the service went back since the last credential was proven, and why it did so last. */
  readonly rollbacks: number;
  readonly rollbackCause: string;
  /** When it did so last; 0 when it did not. */
  readonly rollbackAt: Instant;
  /** Name of the key store that holds the key in use; empty before the first. */
  readonly keyStore: string;
}

/** What the duties know at one moment. */
export interface ReportFacts {
  readonly agentVersion: string;
  readonly platform: string;
  readonly estimate: TimeEstimate;
  /** Wall clock minus estimated time. */
  readonly clockOffset: Duration;
  readonly slots: readonly SlotFacts[];
  readonly epochs: readonly EpochStatus[];
  readonly trust: { readonly era: number; readonly version: number; readonly isStale: boolean } | undefined;
  readonly desiredVersion: number;
  readonly outboxLength: number;
}

/** Builds a status report that the codec takes, whatever texts the facts hold: cut to length, without control characters. */
export function statusReport(facts: ReportFacts): BodyOf<"report"> {
  const { estimate, trust } = facts;
  return {
    type: "report",
    agentVersion: plain(facts.agentVersion, 64),
    platform: plain(facts.platform, 128),
    clockOffset: Math.round(facts.clockOffset),
    timeStatus: estimate.status,
    slots: facts.slots.slice(0, maxRows).map((slot) => slotStatus(slot, estimate.at)),
    epochs: facts.epochs.slice(0, maxRows),
    trustEra: trust?.era ?? 0,
    trustVersion: trust?.version ?? 0,
    desiredVersion: facts.desiredVersion,
    outboxLength: facts.outboxLength,
  };
}

function slotStatus(
  { slot, generation, certificate, journal, protection, lastError, ...rest }: SlotFacts,
  now: Instant,
): SlotStatus {
  const { rollbacks, rollbackCause, rollbackAt, keyStore } = rest;
  return {
    slot,
    generation,
    certificateSha256: certificate?.sha256 ?? new Uint8Array(),
    journal: plain(journal, 32),
    certificateAge: certificate === undefined ? 0 : Math.max(0, Math.round(now - certificate.notBefore)),
    protection: plain(protection, 32),
    lastError: plain(lastError, 512),
    rollbacks,
    rollbackCause: plain(rollbackCause, 512),
    rollbackAt: Math.max(0, Math.round(rollbackAt)),
    keyStore: plain(keyStore, 256),
  };
}

/** What the wire does not carry becomes a space: controls, line separators, bidi marks. */
function plain(text: string, maxLength: number): string {
  return text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, " ")
    .slice(0, maxLength)
    .toWellFormed();
}

const maxRows = 64;
