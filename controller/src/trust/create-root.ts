import type { TrustBundle } from "@fleetcert/proto";
import {
  type Certificate,
  type Duration,
  FleetError,
  type Instant,
  parseCertificate,
  type Signer,
  spkiSha256,
} from "@fleetcert/shared";
import type { RandomSource } from "../ports.ts";
import { caTemplate, type RootRecords, signCa } from "./sign-ca.ts";
import { rootListUri } from "./sign-root-list.ts";

/** What a root is made from. */
export interface RootRequest extends RootRecords {
  readonly fleet: string;
  readonly now: Instant;
  readonly random: RandomSource;
}

/** A self-signed root for 20 years. It sets no path length: one day it may have to vouch for its successor. */
export async function createRoot(request: RootRequest, key: Signer): Promise<Certificate> {
  const { fleet, random, now } = request;
  const template = caTemplate({
    ...{ fleet, random, key },
    commonName: `${fleet} root ${spkiSha256(key.spki).slice(0, 8)}`,
    validity: { notBefore: seconds(now - backdate), notAfter: seconds(now + rootLifetime) },
    pathLen: undefined,
  });
  return await signCa(request, { template, signer: key, target: "root CA" });
}

/**
 * The bridge from a root to its successor: a certificate of the successor's name and key by the elder (RFC 4210 §4.4, "new
 * with old"). Throws `conflict` for an elder whose path length leaves no room for it.
 */
export async function bridgeTo(
  request: RootRequest & { readonly crlBase?: string | undefined },
  { root, elder, signer }: { readonly root: Certificate; readonly elder: Certificate; readonly signer: Signer },
): Promise<Certificate> {
  if (elder.pathLen !== undefined && elder.pathLen < casBelowElder) {
    throw new FleetError(
      "conflict",
      `the root allows ${elder.pathLen} CA below it: it cannot vouch for its successor`,
      {
        hint: "give --no-bridge: devices that miss the whole change then come back by courier or enrol anew",
      },
    );
  }
  const { fleet, random, now, crlBase } = request;
  const template = {
    ...caTemplate({
      ...{ fleet, random },
      commonName: root.subject.commonName ?? "",
      key: { spki: root.spki, algorithm: signer.algorithm },
      validity: { notBefore: seconds(now - backdate), notAfter: Math.min(elder.notAfter, root.notAfter) },
      pathLen: undefined,
      listUri: crlBase === undefined ? undefined : rootListUri(crlBase, elder),
    }),
    issuer: elder.subject.der,
    issuerSpki: elder.spki,
    signatureAlgorithmOf: signer.algorithm,
  };
  return await signCa(request, { template, signer, target: "bridge to the new root" });
}

/**
 * What leads from an issuing CA of this root to every root there was before it: the root, then by turns a bridge and the root
 * that made it. Elders nobody bridges from any more are left out. `elders` are all roots of the fleet's history, DER.
 */
export function chainToRoots(
  root: Uint8Array,
  { bridges, elders }: { readonly bridges: TrustBundle["bridges"]; readonly elders: readonly Uint8Array[] },
): Uint8Array[] {
  const chain = [root];
  for (let last = parseCertificate(root); ; ) {
    const bridge = bridges.map(parseCertificate).find(({ spki }) => Buffer.compare(spki, last.spki) === 0);
    const elder = elders.map(parseCertificate).find((one) => bridge !== undefined && isBy(bridge, one));
    if (bridge === undefined || elder === undefined || chain.length > maxChain) return chain;
    chain.push(bridge.der, elder.der);
    last = elder;
  }
}

/** Whether the certificate names this CA, by name and key, as its issuer. */
export function isBy({ issuer, authorityKeyId }: Certificate, { subject, subjectKeyId }: Certificate): boolean {
  return (
    issuer.equals(subject) &&
    authorityKeyId !== undefined &&
    subjectKeyId !== undefined &&
    Buffer.compare(authorityKeyId, subjectKeyId) === 0
  );
}

const seconds = (instant: Instant): Instant => Math.floor(instant / 1000) * 1000;

const day: Duration = 86_400_000;
const backdate: Duration = day / 24;
const rootLifetime: Duration = 7305 * day;
/** The bridge and an issuing CA. */
const casBelowElder = 2;
const maxChain = 8;
