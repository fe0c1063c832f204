import { encodeTrustBundle, payloadTypes, signEnvelope, type TrustBundle } from "@fleetcert/proto";
import { type Certificate, type Duration, type Instant, type KeyProvider, spkiSha256 } from "@fleetcert/shared";
import type { RandomSource } from "../ports.ts";
import { makeLadder } from "./command-ladder.ts";
import { createRoot } from "./create-root.ts";
import { caTemplate, type RootRecords, signCa } from "./sign-ca.ts";
import { rootListUri, signRootList } from "./sign-root-list.ts";

/** What a new PKI is made from. */
export interface PkiRequest extends RootRecords {
  readonly fleet: string;
  readonly now: Instant;
  readonly random: RandomSource;
  /** Where the root key is made; meant to go offline afterwards. */
  readonly rootKeys: KeyProvider;
  /** P-384 unless its store cannot make that. */
  readonly rootAlgorithm?: "P-384" | "P-256";
  /** Where the issuing and command keys are made; stays with the controller. */
  readonly keys: KeyProvider;
  /** `http://host:port` of the distribution point, when it is fixed: the issuing CA's certificate names it. */
  readonly crlBase?: string | undefined;
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

/** Makes root (P-384) with its first list, issuing CA (P-256), the ladder of command keys and the first bundle. */
export async function createPki(request: PkiRequest): Promise<CreatedPki> {
  const { fleet, random, now, keys, rootKeys } = request;
  const rootKey = await rootKeys.generate({ algorithm: request.rootAlgorithm ?? "P-384", label: "root" });
  const issuingKey = await keys.generate({ algorithm: "P-256", label: "issuing" });
  const notBefore = seconds(now - backdate);
  const root = await createRoot(request, rootKey);
  const issuingTemplate = {
    ...caTemplate({
      ...{ fleet, random },
      commonName: `${fleet} issuing ${issuingKey.id.slice(0, 8)}`,
      key: issuingKey,
      validity: { notBefore, notAfter: seconds(now + issuingLifetime) },
      pathLen: 0,
      listUri: request.crlBase === undefined ? undefined : rootListUri(request.crlBase, root),
    }),
    issuer: root.subject.der,
    issuerSpki: root.spki,
    signatureAlgorithmOf: rootKey.algorithm,
  };
  const issuing = await signCa(request, { template: issuingTemplate, signer: rootKey, target: "issuing CA" });
  const version = 1;
  const rootLists = [await signRootList(request, { root, signer: rootKey, number: version, now, entries: [] })];
  const expires = now + bundleLifetime;
  const issuers = [spkiSha256(issuing.spki)];
  const from = now - backdate;
  const bundle: TrustBundle = {
    fleet,
    era: 1,
    version,
    roots: [root.der],
    issuers: [issuing.der],
    commandKeys: await makeLadder({ keys, issuers, from: { messages: from, heads: from, time: from }, until: expires }),
    issuedAt: now,
    expires,
    rootLists,
    bridges: [],
  };
  const envelope = await signEnvelope(payloadTypes.trustBundle, encodeTrustBundle(bundle), rootKey);
  return { root, rootKeyRef: rootKey.ref, issuing, issuingKeyRef: issuingKey.ref, bundle, envelope };
}

const seconds = (instant: Instant): Instant => Math.floor(instant / 1000) * 1000;

const day: Duration = 86_400_000;
const backdate: Duration = day / 24;
/** Ten years, and again whenever `trust renew` finds it near its end. */
export const issuingLifetime: Duration = 3652 * day;
/** Long enough for a device that is seen once a year. */
export const bundleLifetime: Duration = 400 * day;
