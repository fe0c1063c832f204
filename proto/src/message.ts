import type {
  Instant,
  KeyAlgorithm,
  KeyEvidence,
  MadeCredential,
  PcrSelection,
  Protection,
  QuoteEvidence,
} from "@fleetcert/shared";

/** The version of the wire format this side speaks. */
export const wireVersion = 1;

/** Kinds of messages a device sends; the last level of its topic. */
export const upKinds = [
  "enrol",
  "attest",
  "renew",
  "activated",
  "report",
  "ack",
  "time",
  "event",
  "challenge",
  "quote",
  "courier",
] as const;
/** Kinds of messages the controller sends to one device. */
export const downKinds = [
  "issued",
  "refused",
  "confirmed",
  "received",
  "time",
  "challenge",
  "desired",
  "quote",
  "courier",
] as const;
/** Kinds of messages the controller sends to the whole fleet. */
export const fleetKinds = ["head"] as const;

/** One of {@link upKinds}. */
export type UpKind = (typeof upKinds)[number];
/** One of {@link downKinds}. */
export type DownKind = (typeof downKinds)[number];
/** One of {@link fleetKinds}. */
export type FleetKind = (typeof fleetKinds)[number];
/** What the last level of a topic may say. */
export type MessageKind = UpKind | DownKind | FleetKind;

/** Who speaks to whom. */
export type Direction = "device-to-controller" | "controller-to-device" | "controller-to-fleet";
/** What a device counts its messages by: sessions, or bundles. */
export type Stream = "mqtt" | "courier";
/** The way a revocation state came to a device. */
export type Via = "mqtt" | "courier" | "http";

/** A slot's credential generation as requests and answers name it. */
export interface SlotGeneration {
  readonly slot: string;
  readonly generation: number;
}

/** Asks for the first certificate of a slot. */
export interface EnrolRequest extends SlotGeneration {
  readonly csr: Uint8Array;
  readonly protection: Protection;
  readonly tokenSerial: string;
  readonly agentVersion: string;
  /** Where the key is in a TPM that is to vouch for it. */
  readonly attested?: TpmEvidence;
  /** The claim whose key signs the message too, where a courier brings it; see docs/decisions/0029. */
  readonly claimId?: string;
}

/** Who a TPM says it is, and that the key of a request is in it; TPM 2.0 structures, not yet looked into. */
export interface TpmEvidence {
  readonly tpm: TpmKeys;
  readonly evidence: KeyEvidence;
}

/** The keys of a TPM that others are believed by. */
export interface TpmKeys {
  /** TPMT_PUBLIC. */
  readonly endorsementKey: Uint8Array;
  /** DER, where the TPM has one. */
  readonly endorsementCertificate: Uint8Array | undefined;
  /** TPMT_PUBLIC. */
  readonly attestationKey: Uint8Array;
}

/** A secret that only one TPM can read, and the way of trust to who asks. */
export interface Credential extends MadeCredential {
  /** SignedEnvelopes, oldest first. */
  readonly trustBundles: readonly Uint8Array[];
}

/** Asks a TPM for the state of its PCRs. */
export interface QuoteRequest {
  readonly nonce: Uint8Array;
  readonly pcrs: readonly PcrSelection[];
}

/** The answer: what the TPM stated, over which nonce, and the values behind its digest. */
export interface Quote extends QuoteEvidence {
  readonly nonce: Uint8Array;
}

/** The second leg of a request with a TPM. */
export interface AttestationAnswer {
  readonly request: EnrolRequest | RenewRequest;
  /** What the credential held. */
  readonly activated: Uint8Array;
}

/** Asks for the next generation; signed by the key before, the CSR by the new one. */
export interface RenewRequest extends SlotGeneration {
  readonly csr: Uint8Array;
  readonly previousCertificateSha256: Uint8Array;
  readonly protection: Protection;
  readonly tokenSerial: string;
  /** Of the new key, by the attestation key the device enrolled with. */
  readonly evidence?: KeyEvidence;
  /** Where the TPM has not been introduced yet. */
  readonly tpm?: TpmKeys;
}

/** Says that a certificate was used: the proof that ends a rotation. */
export interface Activated extends SlotGeneration {
  readonly certificateSha256: Uint8Array;
}

/** What a device says of one slot. */
export interface SlotStatus extends SlotGeneration {
  readonly certificateSha256: Uint8Array;
  readonly journal: string;
  /** Milliseconds. */
  readonly certificateAge: number;
  readonly protection: string;
  readonly lastError: string;
  /** How often the slot's service went back since the last proof; 0 for none and from agents that do not say. */
  readonly rollbacks?: number;
  /** Why it went back last. */
  readonly rollbackCause?: string;
  /** When it went back last; 0 when it did not. */
  readonly rollbackAt?: number;
  /** Name of the key store that holds the key in use; empty from agents that do not say. */
  readonly keyStore?: string;
}

/** What a device says of one issuer's revocation state. */
export interface EpochStatus {
  /** SHA-256 of the issuer's SPKI, lower-case hex, as everywhere. */
  readonly issuer: string;
  readonly era: number;
  readonly epoch: number;
  readonly stale: boolean;
}

/** What a device says of itself. */
export interface StatusReport {
  readonly agentVersion: string;
  readonly platform: string;
  /** Wall clock minus estimated time, milliseconds. */
  readonly clockOffset: number;
  readonly timeStatus: string;
  readonly slots: readonly SlotStatus[];
  readonly epochs: readonly EpochStatus[];
  readonly trustEra: number;
  readonly trustVersion: number;
  readonly desiredVersion: number;
  readonly outboxLength: number;
}

/** A device's word that an epoch is durably in force there. */
export interface RevocationAck {
  readonly issuer: string;
  readonly era: number;
  readonly epoch: number;
  readonly headSha256: Uint8Array;
  readonly appliedAt: Instant;
  readonly via: Via;
}

/** Something that must not be lost. */
export interface SecurityEvent {
  readonly name: string;
  readonly at: Instant;
  readonly details: Readonly<Record<string, string>>;
}

/** The answer with a certificate. */
export interface Issued extends SlotGeneration {
  readonly certificate: Uint8Array;
  /** DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  /** SignedEnvelopes, oldest first. */
  readonly trustBundles: readonly Uint8Array[];
}

/** The answer that says no, why, and what helps. */
export interface Refused {
  /** A code of the error catalogue; an unknown one is kept as it came. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** Milliseconds; 0 leaves the pace to the device. */
  readonly retryAfter: number;
  /** SignedEnvelopes, oldest first; none outside the bootstrap namespace. */
  readonly trustBundles: readonly Uint8Array[];
}

/** The controller's time, over the nonce of who asked. */
export interface TimeToken {
  readonly nonce: Uint8Array;
  readonly now: Instant;
  /** SignedEnvelopes, oldest first; none outside the bootstrap namespace. */
  readonly trustBundles: readonly Uint8Array[];
}

/** The answer to {@link Activated}: the controller has seen the certificate in use. */
export interface Confirmed extends SlotGeneration {
  readonly certificateSha256: Uint8Array;
  /** Milliseconds the previous generation stays usable. */
  readonly grace: number;
}

/** What one slot is to have, and when. */
export interface DesiredSlot {
  readonly slot: string;
  readonly profile: string;
  readonly keyAlgorithm: KeyAlgorithm;
  /** The generation the window asks for; 0 when there is no wish. */
  readonly renewGeneration: number;
  readonly windowStart: Instant;
  readonly windowEnd: Instant;
  readonly explanationUrl: string;
  /** Milliseconds after which the device reports at the latest; 0 leaves it to the report interval. */
  readonly retryAfter: number;
  /** Not renewed before; 0 is no bound. */
  readonly earliest: Instant;
  /** Milliseconds before the certificate's end at which it is renewed whatever else is said; 0 leaves it to the device. */
  readonly renewBefore: number;
  readonly mode: RenewalMode;
}

/** `disabled` holds until the certificate is about to end; `urgent` passes maintenance windows over. */
export type RenewalMode = "automatic" | "disabled" | "urgent";

/** When a device may be touched: opens at every match of the cron expression in the IANA time zone. */
export interface MaintenanceWindow {
  readonly cron: string;
  /** Elapsed milliseconds. */
  readonly duration: number;
  readonly timeZone: string;
}

/** What a device is to be, ordered by (era, version). */
export interface DesiredState {
  readonly era: number;
  readonly version: number;
  readonly slots: readonly DesiredSlot[];
  /** Milliseconds between status reports. */
  readonly reportInterval: number;
  readonly retire: boolean;
  /** Cause of a suspension; empty when not suspended. */
  readonly suspended: string;
  /** None means at any time. */
  readonly maintenance: readonly MaintenanceWindow[];
}

/** What one epoch holds of a shard: exact sizes and hashes of what is published beside the head. */
export interface HeadShard {
  readonly shard: number;
  readonly coveredFrom: number;
  readonly coveredTo: number;
  readonly revokedCount: number;
  /** Epoch in which the CRL parts were published. */
  readonly crlEpoch: number;
  readonly crlLength: number;
  readonly crlSha256: Uint8Array;
  readonly snapshotEpoch: number;
  readonly snapshotLength: number;
  readonly snapshotSha256: Uint8Array;
  /** Snapshot epochs from which a delta to this snapshot is published. */
  readonly deltaFrom: readonly number[];
  /** List epochs from which a patch to the list of `crlEpoch` is published. */
  readonly crlPatchFrom: readonly number[];
}

/** The revocation state of one issuer at one epoch. */
export interface RevocationHead {
  readonly issuer: string;
  readonly era: number;
  readonly epoch: number;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  readonly shards: readonly HeadShard[];
}

/** The manifest of a bundle that a courier takes to the controller. */
export interface CourierRequest {
  /** 32 octets. */
  readonly nonce: Uint8Array;
  /** Revocation lists are wanted beside snapshots. */
  readonly wantsLists: boolean;
  /** SHA-256 of each part, in order. */
  readonly parts: readonly Uint8Array[];
}

/** The manifest of a bundle that a courier brings back. */
export interface CourierReply {
  /** The request's. */
  readonly nonce: Uint8Array;
  /** Generation the request was made in. */
  readonly generation: number;
  readonly parts: readonly Uint8Array[];
}

/** What a message says; `type` decides the shape. */
export type Body =
  | ({ readonly type: "enrol" } & EnrolRequest)
  | ({ readonly type: "attestation" } & AttestationAnswer)
  | ({ readonly type: "renew" } & RenewRequest)
  | ({ readonly type: "activated" } & Activated)
  | ({ readonly type: "report" } & StatusReport)
  | ({ readonly type: "ack" } & RevocationAck)
  | { readonly type: "time-request" }
  | ({ readonly type: "event" } & SecurityEvent)
  | { readonly type: "challenge-response"; readonly nonce: Uint8Array }
  | ({ readonly type: "courier-request" } & CourierRequest)
  | ({ readonly type: "issued" } & Issued)
  | ({ readonly type: "refused" } & Refused)
  | ({ readonly type: "confirmed" } & Confirmed)
  | { readonly type: "received" }
  | ({ readonly type: "time-token" } & TimeToken)
  | { readonly type: "challenge"; readonly nonce: Uint8Array }
  | ({ readonly type: "desired" } & DesiredState)
  | ({ readonly type: "credential" } & Credential)
  | ({ readonly type: "quote-request" } & QuoteRequest)
  | ({ readonly type: "quote" } & Quote)
  | ({ readonly type: "courier-reply" } & CourierReply)
  | ({ readonly type: "head" } & RevocationHead);

/** What a message may be about. */
export type BodyType = Body["type"];
/** The body of one type. */
export type BodyOf<T extends BodyType> = Extract<Body, { type: T }>;

/** Position of a device message in its stream; gaps are normal, a regression is not. */
export interface Sequence {
  readonly generation: number;
  readonly stream: Stream;
  readonly counter: number;
}

/** A signed message, decoded and checked for shape, not yet for its signature. */
export interface Message {
  readonly fleet: string;
  readonly direction: Direction;
  readonly kind: MessageKind;
  /** Device id, or `controller`. */
  readonly sender: string;
  /** Device id, `controller`, or `fleet`. */
  readonly recipient: string;
  /** UUIDv7, 32 lower-case hex digits. */
  readonly messageId: string;
  readonly inReplyTo: string | undefined;
  readonly sentAt: Instant;
  readonly expiresAt: Instant;
  readonly sequence: Sequence | undefined;
  readonly traceparent: string | undefined;
  readonly body: Body;
}
