import { encodeTrustBundle, payloadTypes, signEnvelope, type TrustBundle } from "@fleetcert/proto";
import {
  assembleSigned,
  type Certificate,
  type CertificateTemplate,
  type Duration,
  encodeName,
  encodeTbsCertificate,
  FleetError,
  type Instant,
  type KeyProvider,
  type ProviderKey,
  parseCertificate,
  Serial,
  sha256Hex,
  spkiSha256,
  verifySignature,
} from "@fleetcert/shared";
import type { RandomSource } from "../ports.ts";
import { makeLadder } from "./command-ladder.ts";

/** What a new PKI is made from. */
export interface PkiRequest {
  readonly fleet: string;
  readonly now: Instant;
  readonly random: RandomSource;
  /** Where the root key is made; meant to go offline afterwards. */
  readonly rootKeys: KeyProvider;
  /** Where the issuing and command keys are made; stays with the controller. */
  readonly keys: KeyProvider;
  /** Called with the hash of the to-be-signed bytes before a CA certificate is signed, and with its hash afterwards (I2). */
  recordIntent(entry: { readonly target: string; readonly tbsSha256: string }): Promise<void>;
  recordOutcome(entry: { readonly target: string; readonly tbsSha256: string; readonly sha256: string }): Promise<void>;
}

/** A new root, issuing CA and first trust bundle; the keys stay in their providers. */
export interface CreatedPki {
  readonly root: Certificate;
  readonly rootKeyRef: string;
  readonly issuing: Certificate;
  readonly issuingKeyRef: string;
  readonly bundle: TrustBundle;
  /** Envelope of the bundle, signed by the root. */
  readonly envelope: Uint8Array;
}

/** Makes root (P-384), issuing CA (P-256), the ladder of command keys and the first bundle. */
export async function createPki(request: PkiRequest): Promise<CreatedPki> {
  const { fleet, now, keys, rootKeys } = request;
  const rootKey = await rootKeys.generate({ algorithm: "P-384", label: "root" });
  const issuingKey = await keys.generate({ algorithm: "P-256", label: "issuing" });
  const notBefore = seconds(now - backdate);
  const rootTemplate = caTemplate(request, {
    commonName: `${fleet} root ${rootKey.id.slice(0, 8)}`,
    key: rootKey,
    validity: { notBefore, notAfter: seconds(now + rootLifetime) },
    pathLen: 1,
  });
  const root = await signCa(request, { template: rootTemplate, signer: rootKey, target: "root CA" });
  const issuingTemplate = {
    ...caTemplate(request, {
      commonName: `${fleet} issuing ${issuingKey.id.slice(0, 8)}`,
      key: issuingKey,
      validity: { notBefore, notAfter: seconds(now + issuingLifetime) },
      pathLen: 0,
    }),
    issuer: root.subject.der,
    issuerSpki: root.spki,
    signatureAlgorithmOf: rootKey.algorithm,
  };
  const issuing = await signCa(request, { template: issuingTemplate, signer: rootKey, target: "issuing CA" });
  const expires = now + bundleLifetime;
  const issuers = [spkiSha256(issuing.spki)];
  const from = now - backdate;
  const bundle: TrustBundle = {
    fleet,
    era: 1,
    version: 1,
    roots: [root.der],
    issuers: [issuing.der],
    commandKeys: await makeLadder({ keys, issuers, from: { messages: from, heads: from, time: from }, until: expires }),
    issuedAt: now,
    expires,
  };
  const envelope = await signEnvelope(payloadTypes.trustBundle, encodeTrustBundle(bundle), rootKey);
  return { root, rootKeyRef: rootKey.ref, issuing, issuingKeyRef: issuingKey.ref, bundle, envelope };
}

function caTemplate(
  { fleet, random }: PkiRequest,
  ca: {
    readonly commonName: string;
    readonly key: ProviderKey;
    readonly validity: { readonly notBefore: Instant; readonly notAfter: Instant };
    readonly pathLen: number;
  },
): CertificateTemplate {
  const subject = { commonName: ca.commonName, organization: fleet };
  return {
    // CA serials are not of the shard layout: first octet 0x02 to 0x7f, so that none is taken for a device's.
    serial: Serial.of(
      Uint8Array.from(random.bytes(20), (octet, index) => (index === 0 ? 0x40 | (octet & 0x3f) : octet)),
    ),
    issuer: encodeName(subject),
    subject,
    ...ca.validity,
    spki: ca.key.spki,
    issuerSpki: ca.key.spki,
    signatureAlgorithmOf: ca.key.algorithm,
    basicConstraints: { ca: true, pathLen: ca.pathLen },
    keyUsage: ["keyCertSign", "cRLSign"],
  };
}

async function signCa(
  request: PkiRequest,
  {
    template,
    signer,
    target,
  }: { readonly template: CertificateTemplate; readonly signer: ProviderKey; readonly target: string },
): Promise<Certificate> {
  const tbs = encodeTbsCertificate(template);
  const tbsSha256 = sha256Hex(tbs);
  await request.recordIntent({ target, tbsSha256 });
  const certificate = parseCertificate(assembleSigned(tbs, signer.algorithm, await signer.sign(tbs)));
  const { signatureAlgorithm: algorithm, signature } = certificate;
  const isOurs = verifySignature({ spki: signer.spki, algorithm, message: tbs, signature });
  if (!isOurs || sha256Hex(certificate.tbs) !== tbsSha256 || !certificate.isCa) {
    throw new FleetError("issued-mismatch", `the certificate of the ${target} is not what was asked for`);
  }
  await request.recordOutcome({ target, tbsSha256, sha256: certificate.sha256 });
  return certificate;
}

const seconds = (instant: Instant): Instant => Math.floor(instant / 1000) * 1000;

const day: Duration = 86_400_000;
const backdate: Duration = day / 24;
const rootLifetime: Duration = 7305 * day;
const issuingLifetime: Duration = 3652 * day;
/** Long enough for a device that is seen once a year. */
export const bundleLifetime: Duration = 400 * day;
