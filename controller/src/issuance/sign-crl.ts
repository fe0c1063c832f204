import {
  type CertificateRevocationList,
  type CrlEntryBuffer,
  encodeTbsCrl,
  FleetError,
  type Instant,
  lintCrl,
  parseCrl,
  verifyCrl,
} from "@fleetcert/shared";
import type { Transaction } from "../store-port.ts";
import { crlUri, deltaUri } from "./certificate-template.ts";
import type { IssuanceContext } from "./issuance.ts";
import { signInOrder } from "./sign-in-order.ts";

/** One revocation list to be signed. */
export interface CrlOrder {
  readonly shard: number;
  /** Also the cRLNumber. */
  readonly epoch: number;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  /** Ordered by index; used up. */
  readonly entries: CrlEntryBuffer;
  /** Number of the complete list this one is a delta to. */
  readonly deltaBase?: number;
  /** Whether a delta will stand beside this complete list. */
  readonly hasDelta?: boolean;
  /** In the transaction that closes the intent, with the list as it was read again. */
  commit(tx: Transaction, list: CertificateRevocationList): Promise<void>;
}

/** Signs the list of one shard, or a delta to an earlier one, in the order of I2. */
export async function signCrl(context: IssuanceContext, order: CrlOrder): Promise<void> {
  const { authority, issuer, crlBase } = context;
  const { shard, epoch, deltaBase } = order;
  const { count } = order.entries;
  let signed: CertificateRevocationList | undefined;
  const place = { crlBase, issuer: authority.id, shard };
  await signInOrder<void>(context, {
    authority,
    actor: "controller",
    target: `${authority.id}/${shard}`,
    events: { intent: "crl.intent", done: "crl.published", failed: "crl.aborted" },
    failpoints: { afterIntent: "crl.after-intent", afterSigning: "crl.after-signing", afterStore: "crl.after-store" },
    async prepare() {
      context.clockGuard.now();
      const tbs = encodeTbsCrl({
        issuer: issuer.certificate.subject.der,
        authorityKeyId: issuer.keyId,
        thisUpdate: order.thisUpdate,
        nextUpdate: order.nextUpdate,
        crlNumber: epoch,
        entries: order.entries,
        // RFC 5280 §5.2.4: a delta has the scope of its base, word for word.
        issuingDistributionPoint: { uris: [crlUri(place)] },
        ...(deltaBase !== undefined && { deltaBase }),
        ...(order.hasDelta && { freshestCrl: deltaUri(place) }),
        signatureAlgorithmOf: authority.signer.algorithm,
      });
      return {
        intent: {
          tbs,
          record: {
            kind: "crl",
            issuer: authority.id,
            serial: "",
            shard,
            index: epoch,
            notAfter: order.nextUpdate,
            device: "",
            slot: "",
            generation: 0,
            spkiSha256: "",
            claimId: "",
          },
          details: {
            ...{ shard: String(shard), epoch: String(epoch), entries: String(count) },
            ...(deltaBase !== undefined && { deltaBase: String(deltaBase) }),
          },
        },
      };
    },
    async compare(der, tbs) {
      const crl = parseCrl(der);
      // `parseCrl` has read every entry strictly, and one encoder writes them all alike: some stand for all in a long list.
      const defects = lintCrl(der, "rfc5280", maxLinted);
      if (
        Buffer.compare(crl.tbs, tbs) !== 0 ||
        crl.entryCount !== count ||
        crl.crlNumber !== BigInt(epoch) ||
        crl.deltaBase !== (deltaBase === undefined ? undefined : BigInt(deltaBase)) ||
        defects.length > 0
      ) {
        throw new FleetError(
          "issued-mismatch",
          `the list of shard ${shard} at epoch ${epoch} differs: ${defects.join(", ")}`,
        );
      }
      verifyCrl({ crl, issuer: issuer.certificate });
      signed = crl;
    },
    store: (tx) => order.commit(tx, signed as CertificateRevocationList),
    abandon: async () => undefined,
  });
}

/** Linting makes objects of entries: a million of them would hold everybody up for seconds. */
const maxLinted = 2000;
