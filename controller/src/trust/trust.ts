import {
  acceptTrustBundle,
  type CommandKeyUse,
  decodeEnvelope,
  decodeTrustBundle,
  formatTopic,
  type TrustBundle,
} from "@fleetcert/proto";
import {
  FleetError,
  type Instant,
  type KeyProvider,
  parseCertificate,
  type Signer,
  sha256Hex,
  spkiSha256,
} from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { CommandSigners, MessageSealer, Surroundings } from "../ports.ts";
import type { Store } from "../store-port.ts";
import { walkOf } from "./bundle-walk.ts";
import { sealMessage } from "./seal-message.ts";
import type { RootIntent } from "./sign-ca.ts";
import { distrustedSince, newlyDistrusted, rootListOf, rootListsIn } from "./sign-root-list.ts";
import { openRootIntent, recordPublication } from "./trust-audit.ts";

/** What trust works with. */
export interface TrustParts {
  readonly store: Store;
  readonly surroundings: Surroundings;
  /** The present, while it can be believed: nothing is said under another. Throws `clock-leapt`. */
  readonly believedNow: () => Instant;
  /** Holds the command keys under labels that begin with `command-`. */
  readonly keys: KeyProvider;
  /** Envelopes of every bundle version, oldest first. */
  readonly bundles: readonly Uint8Array[];
  /** Makes a new version durable outside the database. */
  saveBundle(version: number, envelope: Uint8Array): Promise<void>;
}

/** Something of the controller that ends at a date. */
export interface Expiry {
  readonly what: string;
  readonly notAfter: Instant;
  /** Whether `serve` renews it without a person. */
  readonly renewedByItself: boolean;
}

/** The trust bundle in force, and the command keys that go with it. */
export interface Trust extends CommandSigners, MessageSealer {
  current(): TrustBundle;
  /** What a device needs to come from its pinned root to the bundle in force: envelopes, oldest first. */
  walk(): readonly Uint8Array[];
  /** Makes durable that the root is about to sign a CA certificate or its list, before it does (I2). */
  intend(intent: RootIntent, actor: string): Promise<Instant>;
  /** Every root the fleet has had, DER, oldest first; certificates under a retired one may still be in use. */
  roots(): readonly Uint8Array[];
  /** The newest list of the root with this key (SPKI SHA-256, hex), DER, also of a retired one; undefined when it is none of ours. */
  rootList(id: string): Uint8Array | undefined;
  /** Whose lists there are; `id` as above, `notAfter` is the nextUpdate. */
  rootLists(): ReturnType<typeof rootListsIn>;
  /** The issuing CAs that an envelope would distrust, by SPKI SHA-256. Throws `trust-invalid`. */
  distrustedBy(envelope: Uint8Array): readonly string[];
  /** The issuing CAs that were ever in a bundle and that a root's list names, by SPKI SHA-256, and since when. */
  distrusted(): ReadonlyMap<string, Instant>;
  /** Takes a successor signed by the roots, keeps it and publishes it. Throws `trust-invalid`, `key-not-found`. */
  publish(envelope: Uint8Array, actor: string): Promise<TrustBundle>;
  /** Puts the retained trust topics on the broker again; brokers may forget. */
  announce(): Promise<void>;
  expiries(): Expiry[];
  /** Destroys the private halves of command keys that have ended; resolves with how many. Throws `clock-leapt`. */
  retireKeys(): Promise<number>;
}

/** Opens trust from the stored bundles. Throws `trust-invalid` when they do not follow from each other. */
export async function openTrust(parts: TrustParts): Promise<Trust> {
  const { store, surroundings } = parts;
  const envelopes = [...parts.bundles];
  let bundle = lastOf(envelopes);
  const history = envelopes.map((one) => decodeTrustBundle(decodeEnvelope(one).payload));
  let distrusted: { readonly bundle: TrustBundle; readonly since: ReadonlyMap<string, Instant> } | undefined;
  let keyRefs = await commandKeyRefs(parts.keys);
  /** Opening a key costs a decryption: each is opened once, when it is first needed. */
  const signers = new Map<string, Signer>();

  const trust: Trust = {
    get fleet() {
      return bundle.fleet;
    },
    get era() {
      return bundle.era;
    },
    current: () => bundle,
    walk: () => walkOf(envelopes),
    signerFor(use, now, issuer) {
      const { spki, ref } = keyInForce({ bundle, keyRefs, issuer }, use, now);
      const signer = signers.get(ref) ?? lazySigner(spki, () => parts.keys.open(ref));
      signers.set(ref, signer);
      return signer;
    },
    seal: (letter) => sealMessage({ ...parts, trust, fleet: bundle.fleet }, letter),
    async intend(intent, actor) {
      const at = surroundings.clock.now();
      await store.transaction((tx) => openRootIntent(tx, { at, actor, ...intent }));
      return at;
    },
    roots: () => [...new Map(history.flatMap(({ roots }) => roots).map((der) => [sha256Hex(der), der])).values()],
    rootList(id) {
      const last = history.findLast((one) => rootListOf(one, id) !== undefined);
      return last && rootListOf(last, id);
    },
    rootLists: () => rootListsIn(bundle),
    distrustedBy(envelope) {
      const { rootLists } = acceptTrustBundle(envelope, { bundle });
      return newlyDistrusted(
        { issuers: history.flatMap((one) => one.issuers), rootLists: bundle.rootLists },
        { rootLists },
      );
    },
    distrusted() {
      if (distrusted?.bundle !== bundle) {
        const issuers = history.flatMap((one) => one.issuers);
        // The list of a root that was retired is in no bundle any more and holds all the same.
        const rootLists = history.flatMap((one) => one.rootLists);
        distrusted = { bundle, since: distrustedSince({ issuers, rootLists }) };
      }
      return distrusted.since;
    },
    async publish(envelope, actor) {
      const next = acceptTrustBundle(envelope, { bundle });
      const refs = await commandKeyRefs(parts.keys);
      requireKeys(next, refs, surroundings.clock.now());
      await parts.saveBundle(next.version, envelope);
      const at = surroundings.clock.now();
      await store.transaction((tx) => recordPublication(tx, { at, actor, next, before: bundle }));
      envelopes.push(envelope);
      history.push(next);
      bundle = next;
      keyRefs = refs;
      await trust.announce();
      return next;
    },
    async announce() {
      await store.transaction(async (tx) => {
        for (const payload of envelopes) {
          const { version } = decodeTrustBundle(decodeEnvelope(payload).payload);
          await tx.outbox.enqueue({ topic: formatTopic({ type: "trust-version", version }), payload, retain: true });
        }
        const newest = envelopes.at(-1) as Uint8Array;
        await tx.outbox.enqueue({ topic: formatTopic({ type: "trust" }), payload: newest, retain: true });
      });
    },
    expiries: () => expiriesOf(bundle),
    async retireKeys() {
      // What is destroyed under a clock that has leapt does not come back when it is right again.
      const now = parts.believedNow();
      const ended = bundle.commandKeys.filter(({ notAfter, keyId }) => notAfter < now && keyRefs.has(keyId));
      for (const { keyId, use } of ended) {
        await parts.keys.destroy(keyRefs.get(keyId) as string);
        await store.transaction((tx) =>
          appendAudit(tx, {
            at: now,
            actor: "controller",
            action: "commandKey.retired",
            target: keyId,
            outcome: "success",
            details: { use },
          }),
        );
      }
      if (ended.length > 0) keyRefs = await commandKeyRefs(parts.keys);
      return ended.length;
    },
  };
  return trust;
}

function lastOf(envelopes: readonly Uint8Array[]): TrustBundle {
  const [first, ...rest] = envelopes.map((envelope) => decodeTrustBundle(decodeEnvelope(envelope).payload));
  if (first === undefined)
    throw new FleetError("trust-invalid", "there is no trust bundle", { hint: "run fleetcert init" });
  return rest.reduce((bundle, _, index) => acceptTrustBundle(envelopes[index + 1] as Uint8Array, { bundle }), first);
}

async function commandKeyRefs(keys: KeyProvider): Promise<ReadonlyMap<string, string>> {
  return new Map((await keys.list("command-")).map(({ id, ref }) => [id, ref]));
}

/** The newest key of the use whose time has come. */
function keyInForce(
  {
    bundle,
    keyRefs,
    issuer,
  }: {
    readonly bundle: TrustBundle;
    readonly keyRefs: ReadonlyMap<string, string>;
    readonly issuer: string | undefined;
  },
  use: CommandKeyUse,
  now: Instant,
): { readonly spki: Uint8Array; readonly ref: string } {
  const valid = bundle.commandKeys
    .filter((key) => key.use === use && key.notBefore <= now && now <= key.notAfter && keyRefs.has(key.keyId))
    .sort((a, b) => b.notBefore - a.notBefore);
  // For a retired issuer no key speaks any more; nobody who trusts the bundle asks for its heads.
  const newest = valid.find(({ issuers }) => issuer === undefined || issuers.includes(issuer)) ?? valid[0];
  if (newest === undefined) {
    throw new FleetError("time-unknown", `no command key for ${use} is valid at ${new Date(now).toISOString()}`, {
      hint: "run fleetcert trust renew with the root key, or look at the clock",
    });
  }
  return { spki: newest.spki, ref: keyRefs.get(newest.keyId) as string };
}

function lazySigner(spki: Uint8Array, open: () => Promise<Signer>): Signer {
  let opening: Promise<Signer> | undefined;
  return {
    algorithm: "P-256",
    spki,
    async sign(message) {
      opening ??= open();
      return await (await opening).sign(message);
    },
  };
}

function requireKeys(bundle: TrustBundle, refs: ReadonlyMap<string, string>, now: Instant): void {
  for (const { keyId, use, notAfter } of bundle.commandKeys) {
    if (notAfter >= now && !refs.has(keyId)) {
      throw new FleetError(
        "key-not-found",
        `the bundle names a ${use} key ${keyId.slice(0, 16)}… that is not kept here`,
      );
    }
  }
}

function expiriesOf(bundle: TrustBundle): Expiry[] {
  const certificate =
    (kind: string) =>
    (der: Uint8Array): Expiry => {
      const { spki, notAfter } = parseCertificate(der);
      return { what: `${kind} ${spkiSha256(spki).slice(0, 16)}`, notAfter, renewedByItself: false };
    };
  const lastKey = (use: CommandKeyUse): Expiry => ({
    what: `command keys (${use})`,
    notAfter: Math.max(0, ...bundle.commandKeys.filter((key) => key.use === use).map((key) => key.notAfter)),
    renewedByItself: false,
  });
  return [
    ...bundle.roots.map(certificate("root CA")),
    ...bundle.issuers.map(certificate("issuing CA")),
    ...rootListsIn(bundle).map(
      ({ id, notAfter }): Expiry => ({ what: `root list ${id.slice(0, 16)}`, notAfter, renewedByItself: false }),
    ),
    { what: `trust bundle ${bundle.era}.${bundle.version}`, notAfter: bundle.expires, renewedByItself: false },
    ...(["messages", "heads", "time"] as const).map(lastKey),
  ];
}
