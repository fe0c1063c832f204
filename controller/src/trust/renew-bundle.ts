import { type CommandKeyUse, encodeTrustBundle, payloadTypes, signEnvelope, type TrustBundle } from "@fleetcert/proto";
import {
  type Certificate,
  type Duration,
  FleetError,
  type Instant,
  type KeyProvider,
  type ProviderKey,
  parseCertificate,
  type Signer,
  spkiSha256,
} from "@fleetcert/shared";
import type { RandomSource } from "../ports.ts";
import { certifyIssuer, renewIssuer } from "./certify-issuer.ts";
import { changeRoots } from "./change-roots.ts";
import { commandKeyUses, makeLadder, makeUseLadder } from "./command-ladder.ts";
import { bundleLifetime } from "./create-pki.ts";
import { isBy } from "./create-root.ts";
import type { RootRecords } from "./sign-ca.ts";
import { renewRootLists } from "./sign-root-list.ts";

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
  /** Key of a root to trust beside the others; it certifies the new issuing CA, and signs the bundle too. */
  readonly newRootSigner?: Signer;
  /** A root that is not trusted any more, and with it every issuing CA it has certified; SHA-256 of its certificate. */
  readonly retiredRoot?: string;
  /** Nobody who knows only a root that was retired is led to the present ones: its key may be another's. */
  readonly withoutBridges?: boolean;
  /** Key of an issuing CA to certify and to trust beside the others; made where the controller keeps its keys. */
  readonly newIssuerKey?: Pick<ProviderKey, "id" | "spki" | "algorithm">;
  /** An issuing CA that is not trusted any more, SPKI SHA-256. */
  readonly retiredIssuer?: string;
  /** The retired one is not to be believed any more: the root's list names every certificate it had. */
  readonly isDistrusted?: boolean;
  /** Certificates of issuing CAs in earlier bundles, DER: one that has been retired may be distrusted later. */
  readonly former?: readonly Uint8Array[];
}

/**
 * Makes the successor of a bundle with the root key at hand: command keys that ended are left out, each use gets
 * successors until the new bundle ends, the root's own list is signed anew, and an issuing CA that would end within the next
 * renewals gets a new certificate for its key. Throws `trust-invalid` when the signer is none of the bundle's roots, or not the
 * root of an issuing CA it is to distrust; `not-found` when there never was that CA; `conflict` for a root that cannot vouch for
 * its successor.
 */
export async function renewBundle(
  request: BundleRenewal,
): Promise<{ readonly bundle: TrustBundle; readonly envelope: Uint8Array }> {
  const { current, now, rootSigner, newRootSigner } = request;
  const root = rootOfSigner(request);
  const distrusted = distrustedIssuers(request, root);
  const version = current.version + 1;
  const { roots, bridges, newRoot, newRootList } = await changeRoots(request, { root, version });
  const authorities = await issuersOf(request, { root, newRoot });
  const expires = now + bundleLifetime;
  // A new era replaces every key: it may have been stolen, or made or destroyed under a wrong clock.
  const kept = request.raiseEra ? [] : current.commandKeys.filter(({ notAfter }) => notAfter >= now);
  const added = await commandKeysOf(request, { kept, expires, issuers: authorities.map(idOf) });
  const renewed = await renewRootLists(request, {
    ...{ current, root, signer: rootSigner, number: version, now },
    ...{ revoked: distrusted, roots: roots.map(parseCertificate) },
  });
  const bundle: TrustBundle = {
    ...current,
    era: current.era + (request.raiseEra ? 1 : 0),
    ...{ version, roots, bridges, expires },
    issuers: authorities,
    commandKeys: [...kept, ...added],
    issuedAt: now,
    rootLists: [...renewed, ...(newRootList === undefined ? [] : [newRootList])],
  };
  const signers = newRootSigner === undefined ? [rootSigner] : [rootSigner, newRootSigner];
  return { bundle, envelope: await signEnvelope(payloadTypes.trustBundle, encodeTrustBundle(bundle), ...signers) };
}

function rootOfSigner({ current, rootSigner }: BundleRenewal): Certificate {
  const rootKey = spkiSha256(rootSigner.spki);
  const root = current.roots.map(parseCertificate).find(({ spki }) => spkiSha256(spki) === rootKey);
  if (root !== undefined) return root;
  throw new FleetError("trust-invalid", "the root key given is none of the trust bundle's", {
    hint: "give the root key that fleetcert init or ca rollover made, and its passphrase",
  });
}

/** Only the root that has certified a CA can take that back: its list is the one that verifiers of the CA ask for. */
function distrustedIssuers(request: BundleRenewal, root: Certificate): Certificate[] {
  const { current, former = [], retiredIssuer = "", isDistrusted } = request;
  if (isDistrusted !== true) return [];
  const every = [...current.issuers, ...former].filter((der) => idOf(der) === retiredIssuer).map(parseCertificate);
  if (every.length === 0) {
    throw new FleetError(
      "not-found",
      `there never was an issuing CA ${retiredIssuer.slice(0, 16)}… in the trust bundle`,
      {
        hint: "fleetcert trust show",
      },
    );
  }
  const issuers = [...new Map(every.map((one) => [one.serial.hex, one])).values()];
  if (issuers.every((issuer) => isBy(issuer, root))) return issuers;
  throw new FleetError("trust-invalid", "another root has certified the issuing CA that is to be distrusted", {
    hint: "give the key of that root; one that was retired signs nothing any more",
  });
}

async function issuersOf(
  request: BundleRenewal,
  { root, newRoot }: { readonly root: Certificate; readonly newRoot: Certificate | undefined },
): Promise<Uint8Array[]> {
  const { current, retiredIssuer, retiredRoot, newIssuerKey, rootSigner, newRootSigner } = request;
  const gone = current.roots.map(parseCertificate).filter(({ sha256 }) => sha256 === retiredRoot);
  const by = { ...request, root, signer: rootSigner };
  const authorities: Uint8Array[] = [];
  for (const der of current.issuers) {
    const isGone = idOf(der) === retiredIssuer || gone.some((one) => isBy(parseCertificate(der), one));
    if (!isGone) authorities.push(await renewIssuer(by, der));
  }
  if (newIssuerKey === undefined) return authorities;
  const certifying = newRoot && newRootSigner ? { ...request, root: newRoot, signer: newRootSigner } : by;
  return [...authorities, await certifyIssuer(certifying, newIssuerKey)];
}

async function commandKeysOf(
  { keys, now, newIssuerKey }: BundleRenewal,
  {
    kept,
    expires,
    issuers,
  }: { readonly kept: TrustBundle["commandKeys"]; readonly expires: Instant; readonly issuers: readonly string[] },
): Promise<TrustBundle["commandKeys"]> {
  const lastEnd = (use: CommandKeyUse): Instant =>
    Math.max(now, ...kept.filter((key) => key.use === use).map((key) => key.notAfter));
  const from = Object.fromEntries(commandKeyUses.map((use) => [use, beginOf(lastEnd(use), now)])) as Record<
    CommandKeyUse,
    Instant
  >;
  const added = await makeLadder({ keys, issuers, from, until: expires });
  if (newIssuerKey === undefined) return added;
  // The heads of the others stay with the keys that every device knows already.
  const own = { keys, issuers: [newIssuerKey.id], use: "heads", from: now - hour, until: expires } as const;
  return [...added, ...(await makeUseLadder(own))];
}

/** The next key begins 15 days before the last one ends, or an hour ago when none is left. */
function beginOf(lastEnd: Instant, now: Instant): Instant {
  return lastEnd === now ? now - hour : Math.max(now - hour, lastEnd - 15 * 24 * hour);
}

const idOf = (der: Uint8Array): string => spkiSha256(parseCertificate(der).spki);

const hour: Duration = 3_600_000;
