import { isBootstrapClientId } from "@fleetcert/proto";
import {
  type Certificate,
  FleetError,
  type Instant,
  isDeviceId,
  parseCertificate,
  sha256Hex,
  spkiSha256,
  validatePath,
} from "@fleetcert/shared";
import type { BrokerEvents, PeerIdentity } from "../ports.ts";
import type { CertificateRecord } from "../records.ts";
import type { IntakeContext } from "./intake.ts";
import { standingOf } from "./signer-standing.ts";

/**
 * Decides whether a peer of the operational listener may connect: its path holds now, the certificate is ours and stands,
 * the device is active, and the client id is its name. Throws `path-invalid`, `unauthenticated`, `device-suspended`,
 * `device-retired`.
 */
export async function authenticateOperational(
  context: IntakeContext,
  peer: Parameters<BrokerEvents["authenticateOperational"]>[0],
): Promise<PeerIdentity> {
  const now = context.surroundings.clock.now();
  const leaf = requirePath(context, peer.chain, now);
  const { clientId } = peer;
  return await context.store.transaction(async (tx) => {
    const certificate = await tx.certificates.find(leaf.sha256);
    const device = isDeviceId(clientId) ? await tx.devices.find(clientId) : undefined;
    if (certificate === undefined || device === undefined || certificate.device !== clientId) {
      throw unauthenticated(`client id "${clientId.slice(0, 64)}" is not the identity of its certificate`);
    }
    requireIdentity(context, leaf, certificate);
    if (device.state === "suspended") throw new FleetError("device-suspended", `device ${clientId} is suspended`);
    if (device.state === "retired") throw new FleetError("device-retired", `device ${clientId} is retired`);
    const standing = standingOf(certificate, { now, grace: context.graceAfterProof });
    if (!["issued", "proven", "retired-in-grace"].includes(standing)) {
      throw unauthenticated(`the certificate of ${clientId}, generation ${certificate.generation}, is ${standing}`);
    }
    return { type: "operational", device: clientId, certificateSha256: leaf.sha256 };
  });
}

/**
 * Decides whether a peer of the bootstrap listener may connect: by the secret of a claim, or by a certificate of ours that
 * was valid once. Whether it gets anything is judged message by message; a blocked device is told its cause there.
 */
export async function authenticateBootstrap(
  context: IntakeContext,
  peer: Parameters<BrokerEvents["authenticateBootstrap"]>[0],
): Promise<PeerIdentity> {
  const { clientId, username, password, chain } = peer;
  if (!isBootstrapClientId(clientId)) throw unauthenticated("the client id is not one of the bootstrap namespace");
  if (username !== undefined) return await byClaim(context, { clientId, username, password });
  const [der] = chain;
  if (der === undefined) throw unauthenticated("neither a claim nor a certificate was presented");
  const leaf = requirePath(context, chain, parse(der).notAfter);
  if (!clientId.endsWith(spkiSha256(leaf.spki).slice(0, 40))) {
    throw unauthenticated("the client id does not belong to the key of the certificate");
  }
  const certificate = await context.store.transaction((tx) => tx.certificates.find(leaf.sha256));
  if (certificate === undefined) throw unauthenticated("the certificate is not one of ours");
  requireIdentity(context, leaf, certificate);
  return { type: "bootstrap", clientId, by: { type: "certificate", certificateSha256: leaf.sha256 } };
}

async function byClaim(
  context: IntakeContext,
  peer: { readonly clientId: string; readonly username: string; readonly password: Uint8Array | undefined },
): Promise<PeerIdentity> {
  const claim = await context.store.transaction((tx) => tx.claims.find(peer.username));
  // Hashes are compared, so that timing tells nothing about the secret.
  const isSecret = claim !== undefined && sha256Hex(peer.password ?? new Uint8Array()) === claim.secretSha256;
  if (!isSecret || claim.revokedAt !== undefined)
    throw unauthenticated("the claim is unknown, revoked, or its secret is wrong");
  return { type: "bootstrap", clientId: peer.clientId, by: { type: "claim", claimId: claim.id } };
}

function requirePath({ roots, issuers }: IntakeContext, chain: readonly Uint8Array[], at: Instant): Certificate {
  const [leaf, ...intermediates] = chain;
  if (leaf === undefined) throw unauthenticated("no client certificate was presented");
  return validatePath({
    leaf,
    intermediates: [...intermediates.slice(0, 4), ...issuers()],
    roots: roots(),
    at,
    purpose: "clientAuth",
  }).leaf;
}

/** The certificate must be an identity, and say of itself what the inventory says of it. */
function requireIdentity({ sealer }: IntakeContext, leaf: Certificate, certificate: CertificateRecord): void {
  const uri = `urn:fleetcert:${sealer.fleet}:device:${certificate.device}`;
  const isItself = leaf.subject.commonName === certificate.device && leaf.subjectAlternativeNames.uris.includes(uri);
  if (certificate.slot !== "identity" || !isItself) throw unauthenticated("the certificate is no device identity");
}

function parse(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    throw new FleetError("unauthenticated", "the client certificate is malformed", { cause });
  }
}

const unauthenticated = (message: string): FleetError => new FleetError("unauthenticated", message);
