import { type Certificate, FleetError, type Instant, parseCertificate, spkiSha256 } from "@fleetcert/shared";
import { check } from "./checks.ts";
import { decodeEnvelope, isSignedBy, payloadTypes } from "./envelope.ts";
import { fleetcert } from "./generated/v1.js";
import type { MessageKind } from "./message.ts";

/** What a command key may be used for; one use each. */
export type CommandKeyUse = "messages" | "heads" | "time";

/** A key that signs what comes from the controller. Successors are listed ahead of their time. */
export interface CommandKey {
  readonly spki: Uint8Array;
  /** SHA-256 of the SPKI, lower-case hex. */
  readonly keyId: string;
  readonly use: CommandKeyUse;
  /** Issuers a `heads` key speaks for, SPKI SHA-256 in hex; empty for other uses. */
  readonly issuers: readonly string[];
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/** The signed list of CAs and command keys; ordered by (era, version). */
export interface TrustBundle {
  readonly fleet: string;
  readonly era: number;
  readonly version: number;
  readonly roots: readonly Uint8Array[];
  readonly issuers: readonly Uint8Array[];
  readonly commandKeys: readonly CommandKey[];
  readonly issuedAt: Instant;
  /** Past it the bundle still authenticates its successor. */
  readonly expires: Instant;
  /** DER lists of roots, at most one of each; bundles made before roots signed lists have none. */
  readonly rootLists: readonly Uint8Array[];
  /** DER certificates of a root's key by the root before it, newest first; servers present them to who was away. */
  readonly bridges: readonly Uint8Array[];
}

/** Encodes a bundle into the payload that roots sign with {@link payloadTypes.trustBundle}. */
export function encodeTrustBundle(bundle: TrustBundle): Uint8Array {
  return fleetcert.v1.TrustBundle.encode({
    ...bundle,
    roots: [...bundle.roots],
    issuers: [...bundle.issuers],
    rootLists: [...bundle.rootLists],
    bridges: [...bundle.bridges],
    commandKeys: bundle.commandKeys.map((key) => ({
      spki: key.spki,
      use: useToWire[key.use],
      issuers: key.issuers.map((issuer) => Buffer.from(issuer, "hex")),
      notBefore: key.notBefore,
      notAfter: key.notAfter,
    })),
  }).finish();
}

/** Decodes a bundle's payload; its signatures are not looked at. Throws `trust-invalid` or `message-invalid`. */
export function decodeTrustBundle(payload: Uint8Array): TrustBundle {
  let wire: fleetcert.v1.TrustBundle;
  try {
    wire = fleetcert.v1.TrustBundle.decode(payload) as unknown as fleetcert.v1.TrustBundle;
  } catch (cause) {
    throw new FleetError("trust-invalid", "the payload is not a trust bundle", { cause });
  }
  const bundle: TrustBundle = {
    fleet: check.text(wire.fleet, "fleet", 64),
    era: check.uint(wire.era, "era"),
    version: check.uint(wire.version, "version"),
    roots: check.list(wire.roots, "roots", 8).map((der) => check.bytes(der, "root", 8192)),
    issuers: check.list(wire.issuers, "issuers", 32).map((der) => check.bytes(der, "issuer", 8192)),
    commandKeys: check.list(wire.commandKeys, "command keys", 96).map(commandKeyFromWire),
    issuedAt: check.uint(wire.issuedAt, "issued at"),
    expires: check.uint(wire.expires, "expires"),
    rootLists: check.list(wire.rootLists, "root lists", 8).map((der) => check.bytes(der, "root list", 8192)),
    bridges: check.list(wire.bridges, "bridges", 4).map((der) => check.bytes(der, "bridge", 8192)),
  };
  if (bundle.roots.length === 0) throw new FleetError("trust-invalid", "the trust bundle has no root");
  return bundle;
}

/**
 * Accepts a bundle's envelope against what is trusted already: a bundle, or a pinned root.
 *
 * A bundle that equals or precedes the known one in (era, version) is refused; one of the known roots (of the same fleet)
 * must have signed it, and every root that is new to it as well. Throws `trust-invalid`.
 */
export function acceptTrustBundle(
  bytes: Uint8Array,
  known: { readonly bundle: TrustBundle } | { readonly rootSha256: string; readonly fleet?: string },
): TrustBundle {
  const envelope = decodeEnvelope(bytes);
  if (envelope.payloadType !== payloadTypes.trustBundle) refuse("the envelope holds no trust bundle");
  const bundle = decodeTrustBundle(envelope.payload);
  const roots = bundle.roots.map((der) => parseCertificate(der));
  const trusted = trustedRoots(known, roots);
  if (!trusted.some((root) => isSignedBy(envelope, root.spki))) refuse("no trusted root has signed the trust bundle");
  const knownFingerprints = new Set(trusted.map((root) => root.sha256));
  for (const root of roots) {
    const isNew = !knownFingerprints.has(root.sha256);
    if (isNew && !isSignedBy(envelope, root.spki))
      refuse(`the new root ${root.sha256.slice(0, 16)}… has not signed the bundle`);
  }
  if ("bundle" in known) {
    if (bundle.fleet !== known.bundle.fleet) refuse(`the trust bundle is of fleet ${bundle.fleet}`);
    if (compareTrust(bundle, known.bundle) <= 0) refuse(`trust bundle ${bundle.era}.${bundle.version} is not newer`);
  } else if (known.fleet !== undefined && bundle.fleet !== known.fleet)
    refuse(`the trust bundle is of fleet ${bundle.fleet}`);
  return bundle;
}

/** Orders bundles by (era, version). */
export function compareTrust(
  a: { readonly era: number; readonly version: number },
  b: { readonly era: number; readonly version: number },
): number {
  return a.era - b.era || a.version - b.version;
}

/** The use a command key must have to sign a message of this kind. */
export function commandKeyUseOf(kind: MessageKind): CommandKeyUse {
  if (kind === "head") return "heads";
  return kind === "time" ? "time" : "messages";
}

function trustedRoots(
  known: { readonly bundle: TrustBundle } | { readonly rootSha256: string },
  offered: readonly Certificate[],
): Certificate[] {
  if ("bundle" in known) return known.bundle.roots.map((der) => parseCertificate(der));
  return offered.filter((root) => root.sha256 === known.rootSha256);
}

function commandKeyFromWire(wire: fleetcert.v1.CommandKey.$Properties): CommandKey {
  const found = Object.entries(useToWire).find(([, value]) => value === wire.use);
  if (found === undefined) refuse("a command key has an unknown use");
  const spki = check.bytes(wire.spki, "command key", 1024);
  return {
    spki,
    keyId: spkiSha256(spki),
    use: found[0] as CommandKeyUse,
    issuers: check.list(wire.issuers, "issuers", 32).map((issuer) => check.hex32(issuer, "issuer")),
    notBefore: check.uint(wire.notBefore, "not before"),
    notAfter: check.uint(wire.notAfter, "not after"),
  };
}

function refuse(message: string): never {
  throw new FleetError("trust-invalid", message);
}

const useToWire: Readonly<Record<CommandKeyUse, number>> = {
  messages: fleetcert.v1.CommandKeyUse.MESSAGES,
  heads: fleetcert.v1.CommandKeyUse.HEADS,
  time: fleetcert.v1.CommandKeyUse.TIME,
};
