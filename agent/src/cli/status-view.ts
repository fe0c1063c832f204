import type { DesiredState, TrustBundle } from "@fleetcert/proto";
import { type Duration, type Instant, type Protection, parseCertificate } from "@fleetcert/shared";
import { keyProtection } from "../attestation/key-protection.ts";
import type { ConnectionStatus } from "../connection/connection.ts";
import type { TimeEstimate } from "../ports.ts";
import { rulesOf } from "../renewal/desired-renewal.ts";
import { renewalMoment } from "../renewal/schedule.ts";
import { generationUnderWay, type KeyRole, keyRoles, type SlotState } from "../renewal/slot-state.ts";
import type { StandingAgainst } from "../standing/standing-keeper.ts";
import type { AgentIdentity, ControllerAddress } from "./agent-parts.ts";

/** What `status` shows, running or not; instants in milliseconds. */
export interface StatusView {
  readonly isRunning: boolean;
  readonly device: string;
  readonly fleet: string;
  readonly controller: string;
  readonly connection: ConnectionStatus | undefined;
  readonly slots: readonly SlotView[];
  /** Where the key of the identity lives; undefined before it has a certificate. */
  readonly protection: Protection | undefined;
  readonly time: TimeEstimate & { readonly floor: Instant };
  readonly trust: { readonly era: number; readonly version: number; readonly expires: Instant } | undefined;
  /** Why the controller suspended the device; empty when it did not, as far as this device has heard. */
  readonly suspended: string;
  /** Why the controller turns this device away; undefined when it does not, as far as this device has verifiably heard. */
  readonly turnedAway: StandingAgainst | undefined;
  readonly revocation: readonly RevocationView[];
  /** Messages that wait to be received by the controller; undefined when not running. */
  readonly outbox: number | undefined;
}

/** The epoch of one issuer that is in force here. */
export interface RevocationView {
  readonly issuer: string;
  readonly era: number;
  readonly epoch: number;
  readonly isStale: boolean;
}

/** One slot: its journal, its certificate, its keys and what went wrong last. */
export interface SlotView {
  readonly slot: string;
  readonly journal: string;
  /** The generation the journal works on. */
  readonly generation: number;
  readonly certificate: CertificateView | undefined;
  /** The keys the journal refers to; whatever else bears the slot's label is left over. */
  readonly keys: readonly { readonly id: string; readonly ref: string; readonly role: KeyRole }[];
  /** When the next generation is due; undefined while none is planned. */
  readonly renewAt: Instant | undefined;
  readonly attempts: number;
  readonly lastError: string;
  readonly lastReason: string;
  /** How often its service went back to the files of before since the last proof, and why it did so last. */
  readonly rollbacks: number;
  readonly rollbackCause: string;
  /** When it did so last; 0 when it did not. */
  readonly rollbackAt: Instant;
}

/** The certificate a slot uses now. */
export interface CertificateView {
  readonly generation: number;
  readonly serial: string;
  readonly sha256: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly age: Duration;
  /** RFC 7512 URI or `software:…`. */
  readonly key: string;
}

/** Puts a status together from what a running agent or its files know. */
export function statusView(parts: {
  readonly identity: AgentIdentity;
  readonly controller: ControllerAddress;
  readonly connection: ConnectionStatus | undefined;
  readonly slots: Readonly<Record<string, SlotState>>;
  /** Whether the controller has believed this device's TPM. */
  readonly tpmIsProven: boolean;
  readonly time: TimeEstimate & { readonly floor: Instant };
  readonly trust: TrustBundle | undefined;
  readonly desired: DesiredState | undefined;
  readonly turnedAway: StandingAgainst | undefined;
  readonly revocation: readonly RevocationView[];
  readonly outbox: number | undefined;
}): StatusView {
  const { identity, controller, connection, tpmIsProven, time, trust, desired, turnedAway, outbox } = parts;
  const key = parts.slots["identity"]?.current?.key.ref;
  return {
    isRunning: connection !== undefined,
    device: identity.device,
    fleet: identity.fleet,
    controller: `${controller.brokerHost || controller.host}:${controller.port}`,
    connection,
    slots: Object.entries(parts.slots).map(([slot, state]) => slotView(slot, state, { now: time.at, desired })),
    protection: key === undefined ? undefined : keyProtection(key, tpmIsProven),
    time,
    trust: trust && { era: trust.era, version: trust.version, expires: trust.expires },
    revocation: parts.revocation.map(({ issuer, era, epoch, isStale }) => ({ issuer, era, epoch, isStale })),
    suspended: desired?.suspended ?? "",
    turnedAway,
    outbox,
  };
}

function slotView(
  slot: string,
  state: SlotState,
  { now, desired }: { readonly now: Instant; readonly desired: DesiredState | undefined },
): SlotView {
  const { journal, current, plan, attempts, lastError, lastReason } = state;
  const { rollbacks, rollbackCause, rollbackAt } = state;
  return {
    slot,
    journal: journal.at,
    generation: generationUnderWay(state),
    certificate: current && certificateView(current, now),
    keys: keyRoles(state).map(({ role, key }) => ({ id: key.id, ref: key.ref, role })),
    renewAt: plan && current && renewalMoment(plan, current, { rules: rulesOf(desired, slot), now }),
    attempts,
    lastError,
    lastReason,
    ...{ rollbacks, rollbackCause, rollbackAt },
  };
}

function certificateView(current: NonNullable<SlotState["current"]>, now: Instant): CertificateView {
  const { serial, sha256, notBefore, notAfter } = parseCertificate(current.certificate);
  const { generation, key } = current;
  return { generation, serial: serial.hex, sha256, notBefore, notAfter, age: now - notBefore, key: key.ref };
}
