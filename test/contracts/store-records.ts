import type { ApiKeyRecord, PlanRecord } from "../../controller/src/approval-records.ts";
import type {
  AckRecord,
  AnswerRecord,
  AttestationRecord,
  AuditRecord,
  CertificateRecord,
  ClaimRecord,
  CrlRecord,
  DeviceAttributes,
  DeviceRecord,
  EpochRecord,
  IntentRecord,
  OperatorRecord,
  QuoteRecord,
  RevocationRecord,
  ShardRecord,
} from "../../controller/src/records.ts";
import type {
  AwaitedProofRecord,
  RolloutDeviceRecord,
  RolloutRecord,
  WishRecord,
} from "../../controller/src/rotation-records.ts";

/** 64 hex digits that tell themselves apart by a number. */
export const hex64 = (number: number): string => number.toString(16).padStart(64, "0");

export const anAttributes = (some: Partial<DeviceAttributes> = {}): DeviceAttributes => ({
  site: "plant-1",
  owner: "team-a",
  environment: "production",
  criticality: "medium",
  tags: ["red", "ü \u{1f511}"],
  connectivity: "always",
  connectivityBy: "computed",
  ...some,
});

export const aDevice = (some: Partial<DeviceRecord> = {}): DeviceRecord => ({
  id: "edge-1",
  state: "active",
  stateReason: "",
  attributes: anAttributes(),
  createdAt: 1_000,
  lastSeenAt: undefined,
  desiredVersion: 0,
  agentVersion: "0.1.0",
  clockOffset: -172_800_000,
  claimId: "claim001",
  ...some,
});

export const aClaim = (some: Partial<ClaimRecord> = {}): ClaimRecord => ({
  id: "claim001",
  secretSha256: hex64(1),
  maxUses: 25,
  uses: 0,
  expiresAt: 1_800_000_000_000,
  revokedAt: undefined,
  allowedDevices: ["edge-1", "edge-2"],
  attributes: anAttributes(),
  profile: "device",
  createdAt: 1_700_000_000_000,
  createdBy: "operator:alice",
  reenrols: "",
  proofKey: Uint8Array.of(0x30, 42),
  ...some,
});

/** A certificate that differs from others in everything unique by `number`. */
export const aCertificate = (number: number, some: Partial<CertificateRecord> = {}): CertificateRecord => ({
  sha256: hex64(number),
  der: Uint8Array.of(0x30, number & 0xff),
  issuer: "issuer-1",
  serial: `01${hex64(number).slice(26)}`,
  shard: 1,
  index: number,
  device: "edge-1",
  slot: "identity",
  generation: 1,
  profile: "device",
  spkiSha256: hex64(1_000 + number),
  keyAlgorithm: "P-256",
  protection: "token",
  notBefore: 0,
  notAfter: 90 * 86_400_000,
  state: "issued",
  issuedAt: 3_600_000,
  provenAt: undefined,
  provenVia: "",
  retiredAt: undefined,
  revokedAt: undefined,
  revocationReason: "",
  ...some,
});

export const anIntent = (some: Partial<IntentRecord> = {}): IntentRecord => ({
  tbsSha256: hex64(1),
  kind: "certificate",
  issuer: "issuer-1",
  serial: "01ab",
  shard: 1,
  index: 7,
  notAfter: 9_000,
  device: "edge-1",
  slot: "identity",
  generation: 2,
  spkiSha256: hex64(8),
  claimId: "claim001",
  state: "open",
  openedAt: 1_000,
  ...some,
});

export const aShard = (some: Partial<ShardRecord> = {}): ShardRecord => ({
  issuer: "issuer-1",
  shard: 1,
  notAfterFrom: 0,
  notAfterTo: 100,
  nextIndex: 3,
  coveredTo: 1_024,
  ...some,
});

export const aRevocation = (some: Partial<RevocationRecord> = {}): RevocationRecord => ({
  issuer: "issuer-1",
  serial: "01ab",
  shard: 1,
  index: 7,
  reason: "keyCompromise",
  revokedAt: 5_000,
  epoch: 0,
  notAfter: 9_000,
  liftedAt: 6_000,
  invalidityDate: 4_000,
  ...some,
});

export const anEpoch = (some: Partial<EpochRecord> = {}): EpochRecord => ({
  issuer: "issuer-1",
  era: 1,
  epoch: 1,
  thisUpdate: 1_000,
  nextUpdate: 2_000,
  head: Uint8Array.of(1, 2, 3),
  headSha256: hex64(3),
  ...some,
});

export const aCrl = (some: Partial<CrlRecord> = {}): CrlRecord => ({
  issuer: "issuer-1",
  shard: 1,
  epoch: 1,
  der: Uint8Array.of(0x30, 0),
  sha256: hex64(4),
  entryCount: 0,
  deltaBase: 0,
  deltaDer: Uint8Array.of(0x30, 1),
  ...some,
});

export const anAck = (some: Partial<AckRecord> = {}): AckRecord => ({
  device: "edge-1",
  issuer: "issuer-1",
  era: 1,
  epoch: 4,
  appliedAt: 5_000,
  receivedAt: 6_000,
  via: "mqtt",
  ...some,
});

export const anAnswer = (some: Partial<AnswerRecord> = {}): AnswerRecord => ({
  device: "edge-1",
  messageId: "0".repeat(32),
  payloadSha256: hex64(5),
  answer: Uint8Array.of(9),
  expiresAt: 10_000,
  ...some,
});

export const anOperator = (some: Partial<OperatorRecord> = {}): OperatorRecord => ({
  name: "alice",
  person: "alice",
  role: "admin",
  certificateSha256: hex64(6),
  notAfter: 9_000,
  createdAt: 1_000,
  createdBy: "local",
  disabledAt: undefined,
  ...some,
});

export const anApiKey = (some: Partial<ApiKeyRecord> = {}): ApiKeyRecord => ({
  id: "00112233aabbccdd",
  secretSha256: hex64(9),
  operator: "alice",
  createdAt: 1_000,
  createdBy: "operator:root",
  expiresAt: 9_000,
  revokedAt: undefined,
  ...some,
});

export const aPlan = (some: Partial<PlanRecord> = {}): PlanRecord => ({
  hash: hex64(10),
  core: hex64(11),
  round: 0,
  kind: "revoke",
  request: "{}",
  budget: "revoke",
  weight: 2,
  items: ["device:edge-1", "device:edge-2"],
  impact: "{}",
  requestedBy: "operator:alice",
  requester: "alice",
  requestedAt: 1_000,
  expiresAt: 9_000,
  state: "open",
  decidedBy: "",
  decidedAt: undefined,
  remark: "",
  rate: 0,
  done: 0,
  stageAt: 1_000,
  epochs: [3, 4],
  finishedAt: undefined,
  ...some,
});

export const anAuditEntry = (some: Partial<AuditRecord> = {}): AuditRecord => ({
  sequence: 1,
  at: 1_000,
  actor: "controller",
  action: "controller.started",
  target: "plant",
  outcome: "success",
  details: "{}",
  previousHash: hex64(0),
  hash: hex64(7),
  ...some,
});

export const anAttestation = (some: Partial<AttestationRecord> = {}): AttestationRecord => ({
  device: "edge-1",
  endorsementKeySha256: hex64(8),
  endorsementCertificateSha256: hex64(9),
  manufacturer: "IBM",
  model: "swtpm",
  firmware: "id:20191023",
  ground: "manufacturer",
  attestationKey: Uint8Array.of(0, 1, 255),
  provenAt: 1_000,
  certifiedAt: 2_000,
  ...some,
});

export const aQuote = (some: Partial<QuoteRecord> = {}): QuoteRecord => ({
  device: "edge-1",
  nonce: Uint8Array.of(7),
  pcrs: "sha256:0,7",
  askedAt: 1_000,
  askedBy: "operator:alice",
  answeredAt: undefined,
  outcome: "waiting",
  reason: "",
  values: "{}",
  resetCount: 0,
  restartCount: 0,
  ...some,
});

export const aWish = (some: Partial<WishRecord> = {}): WishRecord => ({
  device: "edge-1",
  slot: "identity",
  generation: 2,
  windowStart: 1_000,
  windowEnd: 2_000,
  isUrgent: true,
  explanationUrl: "https://example.org/incident",
  rollout: "r1",
  ...some,
});

export const anAwaitedProof = (some: Partial<AwaitedProofRecord> = {}): AwaitedProofRecord => ({
  sha256: hex64(7),
  device: "edge-1",
  slot: "identity",
  generation: 2,
  issuedAt: 5,
  notedAt: undefined,
  ...some,
});

export const aRollout = (some: Partial<RolloutRecord> = {}): RolloutRecord => ({
  id: "r1",
  state: "running",
  stateReason: "",
  slot: "identity",
  filter: "site=berlin",
  isUrgent: false,
  explanationUrl: "",
  waves: [{ name: "1 %", devices: 1 }],
  gates: { provenPercent: 100, maxFailures: 0, within: 60_000, soak: 0 },
  spread: 0,
  wave: 0,
  waveStartedAt: 9,
  soakingSince: undefined,
  createdAt: 1,
  createdBy: "operator:alice",
  endedAt: undefined,
  ...some,
});

export const aRolloutDevice = (some: Partial<RolloutDeviceRecord> = {}): RolloutDeviceRecord => ({
  rollout: "r1",
  device: "edge-1",
  wave: 1,
  state: "waiting",
  generation: 0,
  askedAt: undefined,
  reason: "",
  ...some,
});
