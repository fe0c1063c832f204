import {
  type CertificateTemplate,
  encodeTbsCertificate,
  FleetError,
  parseCertificate,
  sha256Hex,
} from "@fleetcert/shared";
import type { CertificateRecord, IntentRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import { type EndCertificate, endCertificateTemplate, requireIssued } from "./certificate-template.ts";
import type { IssuanceContext } from "./issuance.ts";
import { burnSerial } from "./recover-intents.ts";
import type { TakenSerial } from "./serial-room.ts";
import { signInOrder } from "./sign-in-order.ts";

/** What is asked of the order for one end certificate. */
export interface EndCertificateOrder {
  readonly actor: string;
  readonly target: string;
  /** Decides in the transaction of the intent: what to certify, or the certificate that exists already. */
  decide(
    tx: Transaction,
  ): Promise<
    | { readonly certificate: EndCertificate; readonly record: CertificateFacts }
    | { readonly existing: CertificateRecord }
  >;
  commit(tx: Transaction, certificate: CertificateRecord): Promise<void>;
  abandon(tx: Transaction, intent: IntentRecord): Promise<void>;
}

/** The part of a certificate's record that does not follow from the certificate. */
export type CertificateFacts = Pick<
  CertificateRecord,
  | "device"
  | "slot"
  | "generation"
  | "profile"
  | "protection"
  | "keyAlgorithm"
  | "spkiSha256"
  | "state"
  | "provenAt"
  | "provenVia"
> & { readonly claimId: string };

/** Issues one end certificate; reserves indices and tries again when there is no room. */
export async function signEndCertificate(
  context: IssuanceContext,
  order: EndCertificateOrder,
): Promise<CertificateRecord> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const result = await tryOnce(context, order);
    if (result.certificate === undefined || result.isRunningLow) {
      await context.room.reserve({ issuer: context.authority.id, notAfter: result.notAfter });
    }
    if (result.certificate !== undefined) return result.certificate;
  }
  throw new FleetError("rate-limited", "indices are used up faster than they can be reserved", { retry: true });
}

interface Attempt {
  readonly certificate: CertificateRecord | undefined;
  readonly notAfter: number;
  readonly isRunningLow: boolean;
}

async function tryOnce(context: IssuanceContext, order: EndCertificateOrder): Promise<Attempt> {
  const { authority, issuer, crlBase } = context;
  let prepared:
    | { readonly template: CertificateTemplate; readonly taken: TakenSerial; readonly facts: CertificateFacts }
    | undefined;
  return await signInOrder<Attempt>(context, {
    authority,
    actor: order.actor,
    target: order.target,
    events: { intent: "certificate.intent", done: "certificate.issued", failed: "certificate.aborted" },
    failpoints: {
      afterIntent: "issuance.after-intent",
      afterSigning: "issuance.after-signing",
      afterStore: "issuance.after-store",
    },
    async prepare(tx) {
      const decision = await order.decide(tx);
      if ("existing" in decision) {
        const { existing } = decision;
        await order.commit(tx, existing);
        return { value: { certificate: existing, notAfter: existing.notAfter, isRunningLow: false } };
      }
      const { certificate, record: facts } = decision;
      const taken = await context.room.take(tx, { issuer: authority.id, notAfter: certificate.notAfter });
      if (taken === undefined) throw new NoRoom(certificate.notAfter);
      const { serial, shard, index } = taken;
      const template = endCertificateTemplate(certificate, {
        issuer,
        serial,
        shard,
        crlBase,
        ocspUri: context.ocspUri,
      });
      prepared = { template, taken, facts };
      const { device, slot, generation, spkiSha256, claimId } = facts;
      return {
        intent: {
          tbs: encodeTbsCertificate(template),
          record: {
            kind: "certificate",
            issuer: authority.id,
            serial: serial.hex,
            shard,
            index,
            notAfter: certificate.notAfter,
            ...{ device, slot, generation, spkiSha256, claimId },
          },
          details: { serial: serial.hex, slot, generation: String(generation), profile: facts.profile, spkiSha256 },
        },
      };
    },
    async compare(der, tbs) {
      if (prepared === undefined) throw new FleetError("internal", "signed without a template");
      await requireIssued(der, { tbs, template: prepared.template, issuer });
    },
    async store(tx, der) {
      if (prepared === undefined) throw new FleetError("internal", "signed without a template");
      const { taken, facts } = prepared;
      const { notBefore, notAfter } = parseCertificate(der);
      const { claimId: _, ...kept } = facts;
      const certificate: CertificateRecord = {
        ...kept,
        sha256: sha256Hex(der),
        der,
        issuer: authority.id,
        serial: taken.serial.hex,
        shard: taken.shard,
        index: taken.index,
        notBefore,
        notAfter,
        issuedAt: context.surroundings.clock.now(),
        retiredAt: undefined,
        revokedAt: undefined,
        revocationReason: "",
      };
      await tx.certificates.put(certificate);
      await order.commit(tx, certificate);
      return { certificate, notAfter, isRunningLow: taken.isRunningLow };
    },
    async abandon(tx, intent) {
      await burnSerial(tx, { intent, now: context.surroundings.clock.now() });
      await order.abandon(tx, intent);
    },
  }).catch((error: unknown) => {
    if (error instanceof NoRoom) return { certificate: undefined, notAfter: error.notAfter, isRunningLow: false };
    throw error;
  });
}

/** Rolls the first transaction back; what it decided is decided again once there is room. */
class NoRoom extends Error {
  readonly notAfter: number;

  constructor(notAfter: number) {
    super("no index is reserved");
    this.notAfter = notAfter;
  }
}

const maxAttempts = 3;
