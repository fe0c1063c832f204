import type { DesiredSlot, DesiredState, MaintenanceWindow } from "@fleetcert/proto";
import { formatDuration, type Instant } from "@fleetcert/shared";
import type { CertificateRecord } from "../records.ts";

/** One slot of a device: what the controller has issued and seen proven, and what the device says of it. */
export interface SlotView {
  readonly slot: string;
  /** Of the certificate in use; that of the newest when none was ever proven. */
  readonly generation: number;
  readonly state: string;
  readonly profile: string;
  readonly issuedAt: Instant;
  readonly provenAt: Instant | undefined;
  /** `session`, `service` or `courier`; empty before the proof. */
  readonly provenVia: string;
  readonly notAfter: Instant;
  /** A newer generation that was issued and whose proof has not come. */
  readonly waiting: { readonly generation: number; readonly issuedAt: Instant } | undefined;
  readonly keyAlgorithm: string;
  readonly protection: string;
  /** Name of the key store, as the device says it; empty while it does not. */
  readonly keyStore: string;
  /** State of the device's renewal journal; empty before its first report. */
  readonly journal: string;
  readonly lastError: string;
  /** How often the service went back since the last proof, why it did so last, and when. */
  readonly rollbacks: number;
  readonly rollbackCause: string;
  readonly rollbackAt: Instant | undefined;
  /** The window in which it is renewed; undefined while none is assigned. */
  readonly renewal: PlannedRenewal | undefined;
}

/** What a device is told of the next renewal of a slot (RFC 9773). */
export interface PlannedRenewal {
  readonly generation: number;
  readonly start: Instant;
  readonly end: Instant;
  /** `urgent` whatever the maintenance windows say, `disabled` not before the certificate's end is near. */
  readonly mode: string;
  /** Cron expressions of when the device may be touched, with time zone and duration; none means always. */
  readonly maintenance: readonly string[];
  /** Where it is explained; may be empty. */
  readonly explanationUrl: string;
}

/** The slots of a device, `identity` first; certificates as the store lists them, the report as it is kept, and what it is told. */
export function slotViews(
  certificates: readonly CertificateRecord[],
  report: string | undefined,
  told: Pick<DesiredState, "slots" | "maintenance">,
): SlotView[] {
  const planned = new Map(told.slots.map((one) => [one.slot, plannedRenewal(one, told.maintenance)]));
  const said = new Map(reportedSlots(report).map((one) => [one.slot, one]));
  const names = [...new Set(certificates.map(({ slot }) => slot))].sort(inOrder);
  return names.flatMap((slot) => {
    const newestFirst = certificates.filter((one) => one.slot === slot);
    return slotView(newestFirst, said.get(slot)).map((shown) => ({ ...shown, renewal: planned.get(slot) }));
  });
}

/** What of a reported slot is shown; an older agent says less. */
interface ReportedSlot {
  readonly slot: string;
  readonly journal: string;
  readonly lastError: string;
  readonly rollbacks?: number;
  readonly rollbackCause?: string;
  readonly rollbackAt?: number;
  readonly keyStore?: string;
}

function plannedRenewal(
  { renewGeneration: generation, windowStart: start, windowEnd: end, mode, explanationUrl }: DesiredSlot,
  maintenance: readonly MaintenanceWindow[],
): PlannedRenewal | undefined {
  if (generation === 0) return undefined;
  const touched = maintenance.map(
    ({ cron, timeZone, duration }) => `${cron} ${timeZone} for ${formatDuration(duration)}`,
  );
  return { generation, start, end, mode, explanationUrl, maintenance: touched };
}

function slotView(
  newestFirst: readonly CertificateRecord[],
  said: ReportedSlot | undefined,
): Omit<SlotView, "renewal">[] {
  const shown = newestFirst.find(({ state }) => state === "proven") ?? newestFirst[0];
  if (shown === undefined) return [];
  const waiting = newestFirst.find(({ state, generation }) => state === "issued" && generation > shown.generation);
  const { slot, generation, state, profile, issuedAt, provenAt, provenVia, notAfter, keyAlgorithm, protection } = shown;
  return [
    {
      ...{ slot, generation, state, profile, issuedAt, provenAt, provenVia, notAfter, keyAlgorithm, protection },
      waiting: waiting && { generation: waiting.generation, issuedAt: waiting.issuedAt },
      keyStore: said?.keyStore ?? "",
      journal: said?.journal ?? "",
      lastError: said?.lastError ?? "",
      rollbacks: said?.rollbacks ?? 0,
      rollbackCause: said?.rollbackCause ?? "",
      rollbackAt: said?.rollbackAt || undefined,
    },
  ];
}

function reportedSlots(report: string | undefined): readonly ReportedSlot[] {
  if (report === undefined) return [];
  return (JSON.parse(report) as { readonly slots?: readonly ReportedSlot[] }).slots ?? [];
}

const inOrder = (a: string, b: string): number =>
  Number(b === "identity") - Number(a === "identity") || (a < b ? -1 : a > b ? 1 : 0);
