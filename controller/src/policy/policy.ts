import type { MaintenanceWindow } from "@fleetcert/proto";
import type { AlternativeName, Duration, ErrorCode, Instant, KeyAlgorithm, Protection } from "@fleetcert/shared";
import { FleetError } from "@fleetcert/shared";
import type { CertificateRecord, ClaimRecord, DeviceRecord, DeviceState } from "../records.ts";
import { alternativeNames, type NameFacts } from "./alternative-names.ts";
import { claimRules, issuanceRules } from "./rules.ts";

/** What the certificate of a slot may be. Names never come from here nor from the request: they come from the registry. */
export interface Profile {
  readonly name: string;
  readonly keyAlgorithms: readonly KeyAlgorithm[];
  /** Where the key may live; `attested` keys satisfy `token`. */
  readonly protections: readonly Protection[];
  /** Whether a slot whose key was attested may go on with one that is not. */
  readonly mayLoseAttestation: boolean;
  readonly validity: Duration;
  /** How far notBefore lies in the past, for devices whose clock is behind. */
  readonly backdate: Duration;
  /** Share of the life that lies between two renewals. */
  readonly renewAt: number;
  /** Not renewed by itself, until the end is near. */
  readonly renewalDisabled: boolean;
  /** So near its end a certificate is renewed whatever windows say; 0 leaves it to the device. */
  readonly renewBefore: Duration;
  readonly earliestRenewal: Duration;
  /** When devices may be touched, unless their site says otherwise; none means always. */
  readonly maintenance: readonly MaintenanceWindow[];
  readonly extendedKeyUsage: readonly ("clientAuth" | "serverAuth")[];
  /** Templates of the names of a service's certificate; an identity has none. */
  readonly alternativeNames?: readonly string[];
  /** Further slots of a device whose identity has this profile, and the profile of each. */
  readonly slots?: Readonly<Record<string, string>>;
}

/** What is known when somebody asks for a certificate; everything a rule may look at. */
export interface IssuanceFacts {
  readonly now: Instant;
  readonly device: string;
  /** Undefined before the first enrolment. */
  readonly deviceState: DeviceState | undefined;
  readonly stateReason: string;
  readonly slot: string;
  readonly generation: number;
  /** Whether a person permitted the device to enrol anew. */
  readonly isReenrolment: boolean;
  readonly profile: Profile | undefined;
  readonly profileName: string;
  readonly keyAlgorithm: KeyAlgorithm;
  readonly protection: Protection;
  /** Certificates of the slot, whatever their state. */
  readonly slotCertificates: readonly CertificateRecord[];
  /** Certificates that carry the requested key already. */
  readonly certificatesOfKey: readonly CertificateRecord[];
  /** Other devices that have or had the key or token, and are suspended or retired (I7). */
  readonly blockedTwins: readonly DeviceRecord[];
  readonly issuerNotAfter: Instant;
}

/** What is known when a device comes with a claim. */
export interface ClaimFacts {
  readonly now: Instant;
  readonly device: string;
  readonly claim: ClaimRecord | undefined;
  readonly generation: number;
  readonly slot: string;
  /** Every certificate the device id ever had. */
  readonly deviceCertificates: readonly CertificateRecord[];
}

/** Why a request may not be granted. */
export interface Violation {
  readonly rule: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

/** One small pure check; undefined when it is satisfied. */
export interface Rule<Facts> {
  readonly name: string;
  violated(facts: Facts): Omit<Violation, "rule"> | undefined;
}

/** Judges an issuance by the ordered rules; the first violation decides the answer, all are reasons. Pure. */
export function judgeIssuance(facts: IssuanceFacts): Violation[] {
  return judge(issuanceRules, facts);
}

/** Judges an enrolment by claim. Pure. */
export function judgeClaim(facts: ClaimFacts): Violation[] {
  return judge(claimRules, facts);
}

/** Throws the first violation as a typed refusal whose cause names all of them. */
export function requireNoViolation(violations: readonly Violation[]): void {
  const [first] = violations;
  if (first === undefined) return;
  throw new FleetError(first.code, first.message, {
    ...(first.hint === undefined ? {} : { hint: first.hint }),
    cause: violations,
  });
}

/** The names of a slot's certificate. Pure. Throws `policy-violation` when a template gives none for this device. */
export function namesOf({ alternativeNames: templates = [] }: Profile, facts: NameFacts): AlternativeName[] {
  return alternativeNames(templates, facts);
}

/** The key's certificate when this very request was granted before: same slot, generation and key of the same device. */
export function findGranted(facts: {
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
  readonly certificatesOfKey: readonly CertificateRecord[];
}): CertificateRecord | undefined {
  const { device, slot, generation } = facts;
  return facts.certificatesOfKey.find(
    (one) => one.device === device && one.slot === slot && one.generation === generation,
  );
}

/** Pending (issued, not proven) certificates of a generation that a new request for it replaces. */
export function pendingOf(certificates: readonly CertificateRecord[], generation: number): CertificateRecord[] {
  return certificates.filter((one) => one.generation === generation && one.state === "issued");
}

/** Certificates that end when generation n is issued: every unrevoked, unexpired one of generation n−2 and before. */
export function supersededBy(
  certificates: readonly CertificateRecord[],
  { generation, now }: { readonly generation: number; readonly now: Instant },
): CertificateRecord[] {
  return certificates.filter(
    (one) => one.generation <= generation - 2 && one.revokedAt === undefined && one.notAfter >= now,
  );
}

/** Highest generation there ever was of the given certificates; 0 when there is none. */
export function highestGeneration(certificates: readonly CertificateRecord[]): number {
  return Math.max(0, ...certificates.map(({ generation }) => generation));
}

/** Highest generation of the slot that was proven in use; 0 when none was. */
export function provenGeneration(certificates: readonly CertificateRecord[]): number {
  return Math.max(0, ...certificates.filter(({ provenAt }) => provenAt !== undefined).map((one) => one.generation));
}

function judge<Facts>(rules: readonly Rule<Facts>[], facts: Facts): Violation[] {
  return rules.flatMap((rule) => {
    const violation = rule.violated(facts);
    return violation === undefined ? [] : [{ rule: rule.name, ...violation }];
  });
}

/** How often a pending certificate of one generation may be replaced by one for another key. */
export const maxReplacements = 3;
