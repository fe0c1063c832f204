import { type CommandKeyUse, encodeTrustBundle, payloadTypes, signEnvelope, type TrustBundle } from "@fleetcert/proto";
import {
  type Certificate,
  type Duration,
  FleetError,
  type Instant,
  type KeyProvider,
  keyAlgorithmOf,
  type ProviderKey,
  parseCertificate,
  type Signer,
  spkiSha256,
} from "@fleetcert/shared";
import type { RandomSource } from "../ports.ts";
import { commandKeyUses, makeLadder, makeUseLadder } from "./command-ladder.ts";
import { bundleLifetime, issuingLifetime } from "./create-pki.ts";
import { caTemplate, type RootRecords, signCa } from "./sign-ca.ts";
import { renewRootLists, rootListUri } from "./sign-root-list.ts";

/** What a bundle is renewed from. */
export interface BundleRenewal extends RootRecords {
  readonly current: TrustBundle;
  readonly now: Instant;
  readonly random: RandomSource;
  readonly rootSigner: Signer;
  /** Where the new command keys are made. */
  readonly keys: KeyProvider;
  /** Raises the era; only to come back from a wrong clock, a restored backup or a stolen command key. */
  readonly raiseEra?: boolean;
  /** `http://host:port` of the distribution point, when it is fixed. */
  readonly crlBase?: string | undefined;
  /** Key of an issuing CA to certify and to trust beside the others; made where the controller keeps its keys. */
  readonly newIssuerKey?: Pick<ProviderKey, "id" | "spki" | "algorithm">;
  /** An issuing CA that is not trusted any more, SPKI SHA-256. */
  readonly retiredIssuer?: string;
  /** The retired one is not to be believed any more: the root's list names its certificate. */
  readonly isDistrusted?: boolean;
}

/**
 * Makes the successor of a bundle with the root key at hand: command keys that ended are left out, each use gets
 * successors until the new bundle ends, the root's own list is signed anew, and an issuing CA that would end within the next
 * renewals gets a new certificate for its key. Throws `trust-invalid` when the signer is none of the bundle's roots.
 */
export async function renewBundle(
  request: BundleRenewal,
): Promise<{ readonly bundle: TrustBundle; readonly envelope: Uint8Array }> {
  const { current, now, keys, rootSigner } = request;
  const rootKey = spkiSha256(rootSigner.spki);
  const root = current.roots.map(parseCertificate).find(({ spki }) => spkiSha256(spki) === rootKey);
  if (root === undefined) {
    throw new FleetError("trust-invalid", "the root key given is none of the trust bundle's", {
      hint: "give the root key that fleetcert init made, and its passphrase",
    });
  }
  // A new era replaces every key: it may have been stolen, or made or destroyed under a wrong clock.
  const kept = request.raiseEra ? [] : current.commandKeys.filter(({ notAfter }) => notAfter >= now);
  const expires = now + bundleLifetime;
  const lastEnd = (use: CommandKeyUse): Instant =>
    Math.max(now, ...kept.filter((key) => key.use === use).map((key) => key.notAfter));
  const from = Object.fromEntries(commandKeyUses.map((use) => [use, beginOf(lastEnd(use), now)])) as Record<
    CommandKeyUse,
    Instant
  >;
  const authorities: Uint8Array[] = [];
  for (const der of current.issuers) {
    if (idOf(der) === request.retiredIssuer) continue;
    authorities.push(await renewIssuer(request, root, der));
  }
  const { newIssuerKey } = request;
  if (newIssuerKey !== undefined) authorities.push(await certifyIssuer(request, root, newIssuerKey));
  const issuers = authorities.map((der) => spkiSha256(parseCertificate(der).spki));
  const added = await makeLadder({ keys, issuers, from, until: expires });
  if (newIssuerKey !== undefined) {
    // The heads of the others stay with the keys that every device knows already.
    added.push(
      ...(await makeUseLadder({ keys, issuers: [newIssuerKey.id], use: "heads", from: now - hour, until: expires })),
    );
  }
  const version = current.version + 1;
  const revoked =
    request.isDistrusted === true ? current.issuers.filter((der) => idOf(der) === request.retiredIssuer) : [];
  const rootLists = await renewRootLists(request, {
    ...{ current, root, signer: rootSigner, number: version, now },
    revoked: revoked.map(parseCertificate),
  });
  const bundle: TrustBundle = {
    ...current,
    era: current.era + (request.raiseEra ? 1 : 0),
    version,
    issuers: authorities,
    commandKeys: [...kept, ...added],
    issuedAt: now,
    expires,
    rootLists,
  };
  return { bundle, envelope: await signEnvelope(payloadTypes.trustBundle, encodeTrustBundle(bundle), rootSigner) };
}

/** A certificate for the key of another issuing CA. */
async function certifyIssuer(
  request: BundleRenewal,
  root: Certificate,
  key: NonNullable<BundleRenewal["newIssuerKey"]>,
): Promise<Uint8Array> {
  const { now, random, rootSigner, current } = request;
  const template = {
    ...caTemplate({
      ...{ fleet: current.fleet, random, key },
      commonName: `${current.fleet} issuing ${key.id.slice(0, 8)}`,
      validity: { notBefore: seconds(now - hour), notAfter: Math.min(seconds(now + issuingLifetime), root.notAfter) },
      pathLen: 0,
      listUri: request.crlBase === undefined ? undefined : rootListUri(request.crlBase, root),
    }),
    issuer: root.subject.der,
    issuerSpki: root.spki,
    signatureAlgorithmOf: rootSigner.algorithm,
  };
  return (await signCa(request, { template, signer: rootSigner, target: "issuing CA" })).der;
}

/**
 * The same name and key under a later end: what the old certificate has issued stays valid by either. Only an issuer of this
 * root is renewed, never beyond the root's own end.
 */
async function renewIssuer(request: BundleRenewal, root: Certificate, der: Uint8Array): Promise<Uint8Array> {
  const { now, random, rootSigner, current } = request;
  const issuer = parseCertificate(der);
  const notAfter = Math.min(seconds(now + issuingLifetime), root.notAfter);
  const isOurs = Buffer.compare(issuer.issuer.der, root.subject.der) === 0;
  if (!isOurs || issuer.notAfter > now + renewIssuerBefore || notAfter <= issuer.notAfter) return der;
  const template = {
    ...caTemplate({
      ...{ fleet: current.fleet, random },
      commonName: issuer.subject.commonName ?? "",
      key: { spki: issuer.spki, algorithm: keyAlgorithmOf(issuer.spki) },
      // Paths of certificates that have ended are judged at their end, which may lie before this day.
      validity: { notBefore: issuer.notBefore, notAfter },
      pathLen: 0,
      listUri: request.crlBase === undefined ? undefined : rootListUri(request.crlBase, root),
    }),
    issuer: root.subject.der,
    issuerSpki: root.spki,
    signatureAlgorithmOf: rootSigner.algorithm,
  };
  const renewed = await signCa(request, { template, signer: rootSigner, target: "issuing CA" });
  if (Buffer.compare(renewed.subject.der, issuer.subject.der) === 0) return renewed.der;
  throw new FleetError("issued-mismatch", "the issuing CA would change its name");
}

/** The next key begins 15 days before the last one ends, or an hour ago when none is left. */
function beginOf(lastEnd: Instant, now: Instant): Instant {
  return lastEnd === now ? now - hour : Math.max(now - hour, lastEnd - 15 * 24 * hour);
}

const idOf = (der: Uint8Array): string => spkiSha256(parseCertificate(der).spki);

const seconds = (instant: Instant): Instant => Math.floor(instant / 1000) * 1000;

const hour: Duration = 3_600_000;
/** Early enough that two renewals of the bundle may fail, and that no certificate has to end with its issuer. */
const renewIssuerBefore: Duration = 3 * bundleLifetime;
