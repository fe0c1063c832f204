import type {
  AckRecord,
  AgeCounter,
  AnswerRecord,
  AttestationRecord,
  AuditRecord,
  CertificateRecord,
  ClaimRecord,
  CourierContactRecord,
  CrlRecord,
  DeviceIdentifier,
  DeviceRecord,
  EpochRecord,
  IntentRecord,
  OperatorRecord,
  OutboxRecord,
  QuoteRecord,
  ReportRecord,
  RevocationRecord,
  SequenceRecord,
  ShardRecord,
} from "../../../records.ts";
import type { AttributeColumns } from "./attribute-columns.ts";

/** The tables of the newest migration as kysely sees them; columns are snake_case in the file and camelCase here. */
export interface Schema {
  devices: Omit<DeviceRecord, "attributes"> & AttributeColumns;
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
  answers: AnswerRecord;
  sequences: SequenceRecord;
  courierContacts: CourierContactRecord;
  reports: ReportRecord;
  outbox: Omit<OutboxRecord, "retain"> & { readonly retain: number };
  operators: OperatorRecord;
  audit: AuditRecord;
  ages: AgeCounter;
  ageClock: { readonly id: number; readonly expiredBefore: number };
  settings: { readonly key: string; readonly value: string };
}
