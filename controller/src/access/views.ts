import { parseCrl } from "@fleetcert/shared";
import type { ApiKeyRecord, PlanRecord } from "../approval-records.ts";
import type {
  AttestationRecord,
  CertificateRecord,
  ClaimRecord,
  CrlRecord,
  DeviceRecord,
  OperatorRecord,
  QuoteRecord,
} from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { CourierContactView, CourierDeviceView } from "./courier-operations.ts";
import type { PlanView } from "./governed.ts";
import type {
  ApiKeyView,
  AttestationView,
  CertificateView,
  ClaimView,
  CrlView,
  DeviceView,
  OperatorView,
  QuoteView,
} from "./operations.ts";

/** A certificate as people see it. */
export function certificateView(record: CertificateRecord): CertificateView {
  const { der: _der, shard: _shard, index: _index, spkiSha256: _spki, ...shown } = record;
  return shown;
}

/** A claim as people see it: without what its secret is recognised by. */
export function claimView(record: ClaimRecord): ClaimView {
  const { secretSha256: _secret, proofKey: _key, ...shown } = record;
  return shown;
}

/** An operator as people see it. */
export function operatorView(record: OperatorRecord): OperatorView {
  const { name, person, role, certificateSha256, notAfter, disabledAt } = record;
  return { name, person, role, certificateSha256, notAfter, disabledAt };
}

/** A key of the API as people see it: without the hash of its secret. */
export function apiKeyView(record: ApiKeyRecord): ApiKeyView {
  const { secretSha256: _secret, ...shown } = record;
  return shown;
}

/** A plan as people see it. */
export function planView(record: PlanRecord): PlanView {
  const { core: _core, round: _round, stageAt: _stageAt, request, impact, ...shown } = record;
  return { ...shown, request: JSON.parse(request), impact: JSON.parse(impact) };
}

/** A CRL as people see it, with the dates of its bytes; ours always have a nextUpdate. */
export function crlView(record: CrlRecord): CrlView {
  const { issuer, shard, epoch, entryCount, sha256, der } = record;
  const { thisUpdate, nextUpdate = thisUpdate } = parseCrl(der);
  return { issuer, shard, epoch, thisUpdate, nextUpdate, entryCount, bytes: der.length, sha256 };
}

/** What a TPM has proven, as people see it. */
export function attestationView(record: AttestationRecord): AttestationView {
  const { device: _device, attestationKey: _key, ...shown } = record;
  return shown;
}

/** A quote as people see it. */
export function quoteView(record: QuoteRecord): QuoteView {
  const { device: _device, nonce: _nonce, values, ...shown } = record;
  return { ...shown, values: JSON.parse(values) as QuoteView["values"] };
}

/** A device with the certificate that counts and its acknowledged epochs. */
export async function deviceView(
  tx: Transaction,
  record: DeviceRecord,
  context: { readonly issuers: () => readonly string[]; readonly isConnected: (device: string) => boolean },
): Promise<DeviceView> {
  const certificates = await tx.certificates.listOf(record.id, "identity");
  const certificate = currentCertificate(certificates);
  const epochs: Record<string, number> = {};
  for (const issuer of context.issuers()) {
    const ack = await tx.acks.find(record.id, issuer);
    if (ack !== undefined) epochs[issuer] = ack.epoch;
  }
  const { id, state, stateReason, attributes, createdAt, lastSeenAt, agentVersion, clockOffset } = record;
  return {
    id,
    state,
    stateReason,
    attributes,
    connected: context.isConnected(id),
    createdAt,
    lastSeenAt,
    agentVersion,
    clockOffset,
    certificate: certificate && certificateView(certificate),
    courier: await courierContact(tx, id),
    epochs,
  };
}

/** A device as those see it who carry bundles. */
export async function courierDeviceView(tx: Transaction, { id, attributes }: DeviceRecord): Promise<CourierDeviceView> {
  const certificates = await tx.certificates.listOf(id, "identity");
  const certificate = currentCertificate(certificates);
  const waiting = certificates.find(({ state }) => state === "issued");
  return {
    device: id,
    site: attributes.site,
    connectivity: attributes.connectivity,
    contact: await courierContact(tx, id),
    certificate: certificate && certificateView(certificate),
    waitingForProof: waiting?.generation,
  };
}

async function courierContact(tx: Transaction, device: string): Promise<CourierContactView | undefined> {
  const found = await tx.courierContacts.find(device);
  if (found === undefined) return undefined;
  const { device: _, ...contact } = found;
  return contact;
}

/** The newest proven certificate; before the first proof the newest issued one; else the newest of all. */
export function currentCertificate(newestFirst: readonly CertificateRecord[]): CertificateRecord | undefined {
  return (
    newestFirst.find(({ state }) => state === "proven") ??
    newestFirst.find(({ state }) => state === "issued") ??
    newestFirst[0]
  );
}
