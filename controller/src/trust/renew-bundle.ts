import { type CommandKeyUse, encodeTrustBundle, payloadTypes, signEnvelope, type TrustBundle } from "@fleetcert/proto";
import {
  FleetError,
  type Instant,
  type KeyProvider,
  parseCertificate,
  type Signer,
  spkiSha256,
} from "@fleetcert/shared";
import { commandKeyUses, makeLadder } from "./command-ladder.ts";
import { bundleLifetime } from "./create-pki.ts";

/**
 * Makes the successor of a bundle with the root key at hand: command keys that ended are left out, each use gets
 * successors until the new bundle ends. Throws `trust-invalid` when the signer is none of the bundle's roots.
 */
export async function renewBundle(request: {
  readonly current: TrustBundle;
  readonly now: Instant;
  readonly rootSigner: Signer;
  /** Where the new command keys are made. */
  readonly keys: KeyProvider;
  /** Raises the era; only to come back from a wrong clock, a restored backup or a stolen command key. */
  readonly raiseEra?: boolean;
}): Promise<{ readonly bundle: TrustBundle; readonly envelope: Uint8Array }> {
  const { current, now, keys, rootSigner } = request;
  const rootKey = spkiSha256(rootSigner.spki);
  if (!current.roots.some((der) => spkiSha256(parseCertificate(der).spki) === rootKey)) {
    throw new FleetError("trust-invalid", "the root key given is none of the trust bundle's", {
      hint: "give the root key that fleetcert init made, and its passphrase",
    });
  }
  const kept = current.commandKeys.filter(({ notAfter }) => notAfter >= now);
  const expires = now + bundleLifetime;
  const lastEnd = (use: CommandKeyUse): Instant =>
    Math.max(now, ...kept.filter((key) => key.use === use).map((key) => key.notAfter));
  const from = Object.fromEntries(commandKeyUses.map((use) => [use, beginOf(lastEnd(use), now)])) as Record<
    CommandKeyUse,
    Instant
  >;
  const issuers = current.issuers.map((der) => spkiSha256(parseCertificate(der).spki));
  const added = await makeLadder({ keys, issuers, from, until: expires });
  const bundle: TrustBundle = {
    ...current,
    era: current.era + (request.raiseEra ? 1 : 0),
    version: current.version + 1,
    commandKeys: [...kept, ...added],
    issuedAt: now,
    expires,
  };
  return { bundle, envelope: await signEnvelope(payloadTypes.trustBundle, encodeTrustBundle(bundle), rootSigner) };
}

/** The next key begins 15 days before the last one ends, or an hour ago when none is left. */
function beginOf(lastEnd: Instant, now: Instant): Instant {
  return lastEnd === now ? now - hour : Math.max(now - hour, lastEnd - 15 * 24 * hour);
}

const hour = 3_600_000;
