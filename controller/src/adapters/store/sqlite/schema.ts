import type { ApiKeyRecord, PlanRecord, SpendingRecord } from "../../../approval-records.ts";
import type { ContactRecord, CourierContactRecord, ReportRecord } from "../../../contact-records.ts";
import type {
  AckRecord,
  AgeCounter,
  AnswerRecord,
  AttestationRecord,
  AuditRecord,
  CertificateRecord,
  ClaimRecord,
  CrlRecord,
  DeviceIdentifier,
  DeviceRecord,
  EpochRecord,
  IntentRecord,
  OperatorRecord,
  OutboxRecord,
  QuoteRecord,
  RevocationRecord,
  SequenceRecord,
  ShardRecord,
} from "../../../records.ts";
import type {
  AwaitedProofRecord,
  DesiredDigestRecord,
  RolloutDeviceRecord,
  RolloutRecord,
  WishRecord,
} from "../../../rotation-records.ts";
import type { ClassCount } from "../../../store-port.ts";
import type { AttributeColumns } from "./attribute-columns.ts";

/** The tables of the newest migration as kysely sees them; columns are snake_case in the file and camelCase here. */
export interface Schema {
  devices: Omit<DeviceRecord, "attributes"> & AttributeColumns;
  /** Kept by triggers, as {@link Schema.ackCounts}. */
  deviceCounts: ClassCount & Pick<DeviceRecord, "state">;
  identifiers: DeviceIdentifier;
  claims: Omit<ClaimRecord, "attributes" | "allowedDevices"> & AttributeColumns & { readonly allowedDevices: string };
  attestations: AttestationRecord;
  quotes: QuoteRecord;
  certificates: CertificateRecord;
  intents: IntentRecord;
  shards: ShardRecord;
  revocations: RevocationRecord;
  epochs: EpochRecord;
  crls: CrlRecord;
  acks: AckRecord;
  /** Of active devices. */
  ackCounts: ClassCount & Pick<AckRecord, "issuer" | "epoch">;
  answers: AnswerRecord;
  sequences: SequenceRecord;
  courierContacts: CourierContactRecord;
  /** `gaps` is JSON. */
  contacts: Omit<ContactRecord, "gaps"> & { readonly gaps: string };
  reports: ReportRecord;
  outbox: Omit<OutboxRecord, "retain"> & { readonly retain: number };
  operators: OperatorRecord;
  apiKeys: ApiKeyRecord;
  plans: Omit<PlanRecord, "items" | "epochs"> & { readonly items: string; readonly epochs: string };
  spendings: SpendingRecord & { readonly id: number };
  audit: AuditRecord;
  ages: AgeCounter;
  ageClock: { readonly id: number; readonly expiredBefore: number };
  settings: { readonly key: string; readonly value: string };
  wishes: Omit<WishRecord, "isUrgent"> & { readonly isUrgent: number };
  awaitedProofs: AwaitedProofRecord;
  desiredDigests: DesiredDigestRecord;
  /** `body` is the record as JSON. */
  rollouts: Pick<RolloutRecord, "id" | "state"> & { readonly body: string };
  rolloutDevices: RolloutDeviceRecord;
}
