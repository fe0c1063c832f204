import type { TrustBundle } from "@fleetcert/proto";
import {
  type Certificate,
  type Duration,
  FleetError,
  type Instant,
  keyAlgorithmOf,
  type ProviderKey,
  parseCertificate,
  type Signer,
} from "@fleetcert/shared";
import type { RandomSource } from "../ports.ts";
import { bundleLifetime, issuingLifetime } from "./create-pki.ts";
import { caTemplate, type RootRecords, signCa } from "./sign-ca.ts";
import { rootListUri } from "./sign-root-list.ts";

/** A root that certifies issuing CAs, and how. */
export interface CertifyingRoot extends RootRecords {
  readonly current: TrustBundle;
  readonly now: Instant;
  readonly random: RandomSource;
  readonly root: Certificate;
  readonly signer: Signer;
  /** `http://host:port` of the distribution point, when it is fixed. */
  readonly crlBase?: string | undefined;
}

/** A certificate for the key of another issuing CA. */
export async function certifyIssuer(
  by: CertifyingRoot,
  key: Pick<ProviderKey, "id" | "spki" | "algorithm">,
): Promise<Uint8Array> {
  const { now, root, current } = by;
  const made = await signIssuer(by, {
    commonName: `${current.fleet} issuing ${key.id.slice(0, 8)}`,
    key,
    validity: { notBefore: seconds(now - hour), notAfter: Math.min(seconds(now + issuingLifetime), root.notAfter) },
  });
  return made.der;
}

/**
 * The same name and key under a later end: what the old certificate has issued stays valid by either. Only an issuer of this
 * root is renewed, never beyond the root's own end.
 */
export async function renewIssuer(by: CertifyingRoot, der: Uint8Array): Promise<Uint8Array> {
  const { now, root } = by;
  const issuer = parseCertificate(der);
  const notAfter = Math.min(seconds(now + issuingLifetime), root.notAfter);
  const isOurs = Buffer.compare(issuer.issuer.der, root.subject.der) === 0;
  if (!isOurs || issuer.notAfter > now + renewIssuerBefore || notAfter <= issuer.notAfter) return der;
  const renewed = await signIssuer(by, {
    commonName: issuer.subject.commonName ?? "",
    key: { spki: issuer.spki, algorithm: keyAlgorithmOf(issuer.spki) },
    // Paths of certificates that have ended are judged at their end, which may lie before this day.
    validity: { notBefore: issuer.notBefore, notAfter },
  });
  if (Buffer.compare(renewed.subject.der, issuer.subject.der) === 0) return renewed.der;
  throw new FleetError("issued-mismatch", "the issuing CA would change its name");
}

async function signIssuer(
  by: CertifyingRoot,
  ca: {
    readonly commonName: string;
    readonly key: Pick<Signer, "spki" | "algorithm">;
    readonly validity: { readonly notBefore: Instant; readonly notAfter: Instant };
  },
): Promise<Certificate> {
  const { random, root, signer, current, crlBase } = by;
  const template = {
    ...caTemplate({
      ...{ ...ca, fleet: current.fleet, random },
      pathLen: 0,
      listUri: crlBase === undefined ? undefined : rootListUri(crlBase, root),
    }),
    issuer: root.subject.der,
    issuerSpki: root.spki,
    signatureAlgorithmOf: signer.algorithm,
  };
  return await signCa(by, { template, signer, target: "issuing CA" });
}

const seconds = (instant: Instant): Instant => Math.floor(instant / 1000) * 1000;

const hour: Duration = 3_600_000;
/** Early enough that two renewals of the bundle may fail, and that no certificate has to end with its issuer. */
const renewIssuerBefore: Duration = 3 * bundleLifetime;
