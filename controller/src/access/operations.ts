import type { Instant } from "@fleetcert/shared";
import type { ApiKeyRecord } from "../approval-records.ts";
import type {
  AttributeChanges,
  AuditRecord,
  ClaimRecord,
  DeviceAttributes,
  DeviceState,
  QuoteRecord,
  Role,
} from "../records.ts";
import type { CourierContactView, CourierOperations } from "./courier-operations.ts";
import type { BoundOperations, PlanOperations, RevocationOperations } from "./governed.ts";
import type { RolloverOperations } from "./rollover-operations.ts";
import type { RotationOperations } from "./rotation-operations.ts";
import type { SlotView } from "./slot-views.ts";

/** Who gives a command, and how it came; every mutating command is audited under it (I8). */
export interface Actor {
  /** `operator:alice`, or `local` for the host's administrator on the unix socket. */
  readonly name: string;
  readonly role: Role;
}

/** A page of a listing; `next` is given back as `after`. */
export interface PageOf<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

/** What every listing takes; `filter` is an expression of the filter language. */
export interface ListRequest {
  readonly after?: string;
  readonly limit?: number;
  readonly filter?: string;
}

/** Everything a person can ask of the controller, whatever the way: HTTPS, unix socket, or the same process. */
export interface Operations {
  readonly claims: ClaimOperations;
  readonly devices: DeviceOperations;
  readonly rotations: RotationOperations;
  readonly rollover: RolloverOperations;
  readonly certificates: CertificateOperations;
  readonly fleet: FleetOperations;
  readonly revocations: RevocationOperations;
  readonly plans: PlanOperations;
  readonly bounds: BoundOperations;
  readonly crls: CrlOperations;
  readonly courier: CourierOperations;
  readonly audit: AuditOperations;
  readonly trust: TrustOperations;
  readonly operators: OperatorOperations;
}

/** A claim, without the hash of its secret. */
export type ClaimView = Omit<ClaimRecord, "secretSha256" | "proofKey">;

/** A permission to enrol anew. */
export interface ReenrolmentView {
  readonly claim: ClaimView;
  readonly claimString: string;
  readonly generation: number;
}

/** Rights to enrol. */
export interface ClaimOperations {
  /** The claim string is given this one time; only the hash of its secret is kept. */
  create(
    actor: Actor,
    request: {
      readonly maxUses: number;
      /** Milliseconds. */
      readonly validFor: number;
      readonly profile?: string;
      readonly allowedDevices?: readonly string[];
      readonly attributes?: Partial<DeviceAttributes>;
    },
  ): Promise<{ readonly claim: ClaimView; readonly claimString: string }>;
  list(actor: Actor, request: ListRequest): Promise<PageOf<ClaimView>>;
  revoke(actor: Actor, id: string): Promise<ClaimView>;
}

/** A certificate with the life of its credential. */
export interface CertificateView {
  readonly sha256: string;
  readonly serial: string;
  readonly issuer: string;
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
  readonly profile: string;
  readonly keyAlgorithm: string;
  readonly protection: string;
  readonly state: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly issuedAt: Instant;
  readonly provenAt: Instant | undefined;
  /** `session`, `service` or `courier`; empty before the proof. */
  readonly provenVia: string;
  readonly retiredAt: Instant | undefined;
  readonly revokedAt: Instant | undefined;
  readonly revocationReason: string;
}

/** A device, and the certificate of it that counts. */
export interface DeviceView {
  readonly id: string;
  readonly state: DeviceState;
  readonly stateReason: string;
  readonly attributes: DeviceAttributes;
  readonly connected: boolean;
  readonly createdAt: Instant;
  readonly lastSeenAt: Instant | undefined;
  readonly agentVersion: string;
  /** Milliseconds. */
  readonly clockOffset: number;
  /** The newest proven certificate of `identity`, or the newest issued one before the first proof. */
  readonly certificate: CertificateView | undefined;
  /** The last bundle a courier brought of it. */
  readonly courier: CourierContactView | undefined;
  /** Highest acknowledged epoch by issuer. */
  readonly epochs: Readonly<Record<string, number>>;
}

/** What a device has proven by its TPM, and on what ground it was believed. */
export interface AttestationView {
  /** SHA-256 of the endorsement key's SPKI, lower-case hex. */
  readonly endorsementKeySha256: string;
  readonly endorsementCertificateSha256: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  readonly ground: string;
  readonly provenAt: Instant;
  /** When it last certified a key. */
  readonly certifiedAt: Instant;
}

/** The last quote a device was asked for; the values by `sha256:0`, in hex. */
export interface QuoteView extends Omit<QuoteRecord, "device" | "nonce" | "values"> {
  readonly values: Readonly<Record<string, string>>;
}

/** One device with everything that is known of it. */
export interface DeviceDetails extends DeviceView {
  readonly slots: readonly SlotView[];
  readonly certificates: readonly CertificateView[];
  readonly report: string | undefined;
  /** Undefined for keys outside of TPMs, and for TPMs nobody asked to prove themselves. */
  readonly attestation: AttestationView | undefined;
  readonly quote: QuoteView | undefined;
}

/** Devices, one by one. */
export interface DeviceOperations {
  list(actor: Actor, request: ListRequest): Promise<PageOf<DeviceView>>;
  show(actor: Actor, id: string): Promise<DeviceDetails>;
  set(actor: Actor, id: string, attributes: AttributeChanges): Promise<DeviceView>;
  suspend(actor: Actor, id: string, reason: string): Promise<DeviceView>;
  reinstate(actor: Actor, id: string): Promise<DeviceView>;
  /** Permits a known device to enrol anew, once; the claim string is given this one time. `validFor` in milliseconds. */
  reenrol(actor: Actor, id: string, validFor: number): Promise<ReenrolmentView>;
  /** Asks its TPM for PCRs, such as `sha256:0,7`; the answer comes later and stands in {@link DeviceDetails.quote}. */
  quote(actor: Actor, id: string, pcrs: string): Promise<QuoteView>;
  /** Revokes, erases keys on next contact, keeps the history. */
  retire(actor: Actor, id: string): Promise<DeviceView>;
}

/** Every certificate the controller has issued. */
export interface CertificateOperations {
  list(actor: Actor, request: ListRequest & { readonly notProven?: boolean }): Promise<PageOf<CertificateView>>;
  /** By SHA-256 or by serial, hex. */
  show(actor: Actor, id: string): Promise<CertificateView & { readonly pem: string }>;
}

/** How many certificates are of an age. */
export interface AgeBucketView {
  readonly label: string;
  /** Milliseconds, inclusive. */
  readonly from: number;
  /** Milliseconds, exclusive; undefined for the last. */
  readonly to: number | undefined;
  readonly count: number;
}

/** How old the certificates of a group are. */
export interface AgeView {
  readonly group: string;
  readonly count: number;
  readonly buckets: readonly AgeBucketView[];
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** Something of the controller itself that expires. */
export interface ExpiryView {
  readonly what: string;
  readonly notAfter: Instant;
  readonly renewedByItself: boolean;
}

/** What was measured of a promise, and whether it is kept; undefined while nothing counts. */
export interface ServiceLevelView {
  readonly name: string;
  /** A share 0…1, or milliseconds, by `unit`. */
  readonly value: number | undefined;
  readonly objective: number;
  readonly unit: "share" | "milliseconds";
  readonly met: boolean | undefined;
}

/** The fleet as a whole. */
export interface FleetOperations {
  age(
    actor: Actor,
    request: { readonly by?: "site" | "profile" | "issuer"; readonly filter?: string },
  ): Promise<{
    readonly total: AgeView;
    readonly groups: readonly AgeView[];
    readonly expiries: readonly ExpiryView[];
  }>;
  summary(actor: Actor): Promise<{
    readonly devices: Readonly<Record<DeviceState, number>>;
    readonly connected: number;
    readonly serviceLevels: readonly ServiceLevelView[];
  }>;
}

/** The list of one shard as it is served. */
export interface CrlView {
  readonly issuer: string;
  readonly shard: number;
  readonly epoch: number;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  readonly entryCount: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** The revocation lists in force. */
export interface CrlOperations {
  list(actor: Actor): Promise<readonly CrlView[]>;
  show(actor: Actor, issuer: string, shard: number): Promise<CrlView & { readonly der: Uint8Array }>;
  /** Serials that stand in one epoch's CRLs and not in the other's. */
  diff(
    actor: Actor,
    from: number,
    to: number,
  ): Promise<{ readonly added: readonly string[]; readonly removed: readonly string[] }>;
}

/** The chain of everything that was done. */
export interface AuditOperations {
  list(actor: Actor, request: { readonly from?: number; readonly limit?: number }): Promise<readonly AuditRecord[]>;
  verify(actor: Actor): Promise<{
    readonly ok: boolean;
    readonly entries: number;
    readonly firstBad: { readonly sequence: number; readonly why: string } | undefined;
  }>;
}

/** The trust bundle in force, and what the root signs for the next. */
export interface TrustOperations {
  show(actor: Actor): Promise<{
    readonly fleet: string;
    readonly era: number;
    readonly version: number;
    readonly expires: Instant;
    readonly roots: readonly { readonly sha256: string; readonly subject: string; readonly notAfter: Instant }[];
    readonly issuers: readonly { readonly id: string; readonly subject: string; readonly notAfter: Instant }[];
    /** The roots' own revocation lists; `id` is the SHA-256 of the root's SPKI. */
    readonly rootLists: readonly { readonly id: string; readonly number: number; readonly notAfter: Instant }[];
    readonly commandKeys: readonly {
      readonly keyId: string;
      readonly use: string;
      readonly notBefore: Instant;
      readonly notAfter: Instant;
    }[];
  }>;
  /** Writes into the audit that the root is about to sign something whose to-be-signed bytes have this hash (I2). */
  intend(
    actor: Actor,
    intent: { readonly kind: "certificate" | "crl"; readonly target: string; readonly tbsSha256: string },
  ): Promise<{ readonly at: Instant }>;
  /** Takes a bundle made with the root by `fleetcert trust renew`, and publishes it. */
  publish(actor: Actor, bundle: Uint8Array): Promise<{ readonly era: number; readonly version: number }>;
}

/** A person's or a program's access to the API. */
export interface OperatorView {
  readonly name: string;
  /** Whose it is; all of one person count once. */
  readonly person: string;
  readonly role: Role;
  readonly certificateSha256: string;
  readonly notAfter: Instant;
  readonly disabledAt: Instant | undefined;
}

/** Who may use the API. */
export interface OperatorOperations {
  /** Certifies the key of a CSR made where the key lives. */
  create(
    actor: Actor,
    request: { readonly name: string; readonly person?: string; readonly role: Role; readonly csr: Uint8Array },
  ): Promise<{
    readonly operator: OperatorView;
    readonly certificate: Uint8Array;
    readonly chain: readonly Uint8Array[];
  }>;
  /** Certifies a new key under the same name; the certificate of before ends. Throws `not-found`, `conflict` when disabled. */
  renew(
    actor: Actor,
    request: { readonly name: string; readonly csr: Uint8Array },
  ): Promise<{
    readonly operator: OperatorView;
    readonly certificate: Uint8Array;
    readonly chain: readonly Uint8Array[];
  }>;
  list(actor: Actor, request: ListRequest): Promise<PageOf<OperatorView>>;
  disable(actor: Actor, name: string): Promise<OperatorView>;
  /** A key for programs, with the operator's role and person; its text is given this one time. */
  createKey(
    actor: Actor,
    request: { readonly operator: string; readonly validFor: number },
  ): Promise<{ readonly key: ApiKeyView; readonly text: string }>;
  listKeys(actor: Actor, request: ListRequest): Promise<PageOf<ApiKeyView>>;
  revokeKey(actor: Actor, id: string): Promise<ApiKeyView>;
}

/** A key of the API, without the hash of its secret. */
export type ApiKeyView = Omit<ApiKeyRecord, "secretSha256">;
