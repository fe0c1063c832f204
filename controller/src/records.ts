import type { EndorsementGround, Instant, KeyAlgorithm, Protection } from "@fleetcert/shared";

/** How often a device is in contact. */
export type ConnectivityClass = "always" | "daily" | "rare" | "courier";

/** Registry attributes of a device, set by its claim or by `device set`. */
export interface DeviceAttributes {
  readonly site: string;
  readonly owner: string;
  readonly environment: string;
  readonly criticality: "low" | "medium" | "high";
  readonly tags: readonly string[];
  readonly connectivity: ConnectivityClass;
  /** Whether a person said the class, or it follows from when the device was in contact. */
  readonly connectivityBy: "set" | "computed";
}

/** Attributes to be changed; `computed` takes a person's word about the class back. */
export type AttributeChanges = Partial<Omit<DeviceAttributes, "connectivity" | "connectivityBy">> & {
  readonly connectivity?: ConnectivityClass | "computed";
};

/** `suspended` and `retired` devices get no certificate by any way (I7). */
export type DeviceState = "active" | "suspended" | "retired";

/** One managed device. */
export interface DeviceRecord {
  readonly id: string;
  readonly state: DeviceState;
  /** Why it is suspended or retired; empty while active. */
  readonly stateReason: string;
  readonly attributes: DeviceAttributes;
  readonly createdAt: Instant;
  readonly lastSeenAt: Instant | undefined;
  /** Version of the desired state last published. */
  readonly desiredVersion: number;
  readonly agentVersion: string;
  /** Wall clock minus estimated time as last reported, milliseconds. */
  readonly clockOffset: number;
  readonly claimId: string;
}

/** Hardware and key identities that a block keys on (I7); `value` is lower-case hex or the serial's text. */
export interface DeviceIdentifier {
  readonly kind: "spki" | "token-serial" | "ek" | "idevid";
  readonly value: string;
  readonly device: string;
}

/** What a device has proven by its TPM at enrolment; every later key of an attested slot is certified by the same attestation key. */
export interface AttestationRecord {
  readonly device: string;
  /** SHA-256 of the endorsement key's SPKI, lower-case hex. */
  readonly endorsementKeySha256: string;
  /** SHA-256 of its certificate; empty when the TPM has none. */
  readonly endorsementCertificateSha256: string;
  /** What that certificate says of the TPM; empty where it says nothing. */
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  /** By what the TPM was let in. */
  readonly ground: EndorsementGround;
  /** TPMT_PUBLIC. */
  readonly attestationKey: Uint8Array;
  readonly provenAt: Instant;
  /** When it last certified a key. */
  readonly certifiedAt: Instant;
}

/** The last quote a device was asked for: which PCRs, over which nonce, and what became of it. */
export interface QuoteRecord {
  readonly device: string;
  readonly nonce: Uint8Array;
  /** Such as `sha256:0,7`. */
  readonly pcrs: string;
  readonly askedAt: Instant;
  readonly askedBy: string;
  readonly answeredAt: Instant | undefined;
  readonly outcome: "waiting" | "verified" | "refused";
  /** Why it was refused; else empty. */
  readonly reason: string;
  /** JSON object from `sha256:0` to hex; empty object until it is verified. */
  readonly values: string;
  /** How often the TPM lost power, and how often it was resumed. */
  readonly resetCount: number;
  readonly restartCount: number;
}

/** A counted, expiring right to enrol. The secret is kept as a hash only. */
export interface ClaimRecord {
  readonly id: string;
  readonly secretSha256: string;
  readonly maxUses: number;
  readonly uses: number;
  readonly expiresAt: Instant;
  readonly revokedAt: Instant | undefined;
  /** Empty allows any device id that never had a credential. */
  readonly allowedDevices: readonly string[];
  readonly attributes: DeviceAttributes;
  readonly profile: string;
  readonly createdAt: Instant;
  readonly createdBy: string;
  /** The device it lets enrol anew, by a person's permission; empty for claims of new devices. */
  readonly reenrols: string;
  /** SPKI of the key its secret gives, which signs what a courier brings; empty for claims of before there was one. */
  readonly proofKey: Uint8Array;
}

/** States of a credential as the controller knows it (DESIGN.md section 2). */
export type CredentialState = "issued" | "proven" | "retired" | "revoked" | "abandoned";

/**
 * How a credential was seen in use: a TLS session that it authenticated, its service on the device that served it, or, where no
 * session ever comes, its signature in a courier's bundle; over an external broker its signature in a session of the device, for
 * which certificate that stood on only the broker knows. Empty before the proof, and for proofs of before it was noted.
 */
export type ProofWay = "" | "session" | "broker" | "service" | "courier";

/** A certificate this controller has issued, with the life of its credential. */
export interface CertificateRecord {
  /** SHA-256 of the DER, lower-case hex. */
  readonly sha256: string;
  readonly der: Uint8Array;
  /** SHA-256 of the issuer's SPKI, lower-case hex. */
  readonly issuer: string;
  readonly serial: string;
  readonly shard: number;
  readonly index: number;
  /** Empty for certificates of the controller itself. */
  readonly device: string;
  readonly slot: string;
  readonly generation: number;
  readonly profile: string;
  readonly spkiSha256: string;
  readonly keyAlgorithm: KeyAlgorithm;
  readonly protection: Protection;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly state: CredentialState;
  readonly issuedAt: Instant;
  readonly provenAt: Instant | undefined;
  readonly provenVia: ProofWay;
  readonly retiredAt: Instant | undefined;
  readonly revokedAt: Instant | undefined;
  readonly revocationReason: string;
}

/** A signature that is about to be made, durable before it is (I2). */
export interface IntentRecord {
  /** SHA-256 of the to-be-signed bytes, lower-case hex. */
  readonly tbsSha256: string;
  readonly kind: "certificate" | "crl";
  readonly issuer: string;
  /** Empty for CRLs. */
  readonly serial: string;
  readonly shard: number;
  readonly index: number;
  readonly notAfter: Instant;
  readonly device: string;
  /** Slot, generation and key the certificate is for; empty and 0 for CRLs. */
  readonly slot: string;
  readonly generation: number;
  readonly spkiSha256: string;
  /** The claim of which a use is reserved until the intent is closed; empty when there is none. */
  readonly claimId: string;
  readonly state: "open" | "issued" | "aborted";
  readonly openedAt: Instant;
}

/** A range of notAfter of one issuer within which the index of serials is dense. */
export interface ShardRecord {
  readonly issuer: string;
  readonly shard: number;
  readonly notAfterFrom: Instant;
  readonly notAfterTo: Instant;
  readonly nextIndex: number;
  /** Indices below it are covered by the published head; extended ahead of issuance. */
  readonly coveredTo: number;
}

/** A certificate that is revoked, held, or whose issuance was aborted. */
export interface RevocationRecord {
  readonly issuer: string;
  readonly serial: string;
  readonly shard: number;
  readonly index: number;
  readonly reason: string;
  readonly revokedAt: Instant;
  /** Epoch in which it was first published as it is; 0 while it waits for publication. */
  readonly epoch: number;
  readonly notAfter: Instant;
  /** When a hold was lifted: no list names it any more. Absent while it stands. */
  readonly liftedAt?: Instant | undefined;
  /** Since when the key may have been another's, where that is known (RFC 5280 §5.3.2). */
  readonly invalidityDate?: Instant | undefined;
}

/** One publication of an issuer's revocation state. */
export interface EpochRecord {
  readonly issuer: string;
  readonly era: number;
  readonly epoch: number;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  /** The signed head as it travels. */
  readonly head: Uint8Array;
  readonly headSha256: string;
}

/** The CRL of one shard; the latest of each shard is served. */
export interface CrlRecord {
  readonly issuer: string;
  readonly shard: number;
  readonly epoch: number;
  readonly der: Uint8Array;
  readonly sha256: string;
  readonly entryCount: number;
  /** Epoch of the list that {@link deltaDer}, signed beside this one, is relative to. */
  readonly deltaBase?: number | undefined;
  readonly deltaDer?: Uint8Array | undefined;
}

/** A device's signed word that it has applied an epoch. */
export interface AckRecord {
  readonly device: string;
  readonly issuer: string;
  readonly era: number;
  readonly epoch: number;
  readonly appliedAt: Instant;
  readonly receivedAt: Instant;
  readonly via: string;
}

/** The answer given to a device's message, kept so that asking again gives the same (I4). */
export interface AnswerRecord {
  readonly device: string;
  readonly messageId: string;
  readonly payloadSha256: string;
  /** Payload of the answer's body, to be put into a fresh envelope; see intake. */
  readonly answer: Uint8Array;
  readonly expiresAt: Instant;
}

/** Highest counter seen of one device stream. */
export interface SequenceRecord {
  readonly device: string;
  readonly generation: number;
  readonly stream: "mqtt" | "courier";
  readonly counter: number;
}

/** A message to the broker that is published after the commit and removed once it is handed over. */
export interface OutboxRecord {
  /** Grows; given by the store. */
  readonly id: number;
  readonly topic: string;
  /** Empty clears a retained topic. */
  readonly payload: Uint8Array;
  readonly retain: boolean;
}

/** Roles of persons (DESIGN.md section 8), weakest first. */
export type Role = "viewer" | "auditor" | "field" | "factory" | "operator" | "security" | "approver" | "admin";

/** A way for a person to use the API: a client certificate, and the API keys that belong to it. */
export interface OperatorRecord {
  readonly name: string;
  /** Whose it is; several operators may be of one person, who then counts once (I14). */
  readonly person: string;
  readonly role: Role;
  readonly certificateSha256: string;
  readonly notAfter: Instant;
  readonly createdAt: Instant;
  /** The actor who gave the access. */
  readonly createdBy: string;
  readonly disabledAt: Instant | undefined;
}

/** One entry of the audit chain. */
export interface AuditRecord {
  /** 1, 2, 3 … without a gap (I9). */
  readonly sequence: number;
  readonly at: Instant;
  /** `operator:alice`, `device:edge-1`, `controller`, `local`. */
  readonly actor: string;
  /** An event name of audit/events.ts. */
  readonly action: string;
  readonly target: string;
  readonly outcome: "success" | "failure" | "intent";
  /** JSON object with string values. */
  readonly details: string;
  /** SHA-256 of the entry before; 64 zeros for the first. */
  readonly previousHash: string;
  readonly hash: string;
}

/** Count of unexpired, unrevoked device certificates issued within one hour. */
export interface AgeCounter {
  /** Hours since the Unix epoch of notBefore plus backdating, that is of issuance. */
  readonly hour: number;
  readonly site: string;
  readonly profile: string;
  readonly issuer: string;
  readonly count: number;
}
