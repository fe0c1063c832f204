import { X509Certificate } from "node:crypto";
import {
  FleetError,
  isAttestationError,
  parsePublicArea,
  spkiOfPublicArea,
  type TpmPublicArea,
  tpmJoin,
} from "@fleetcert/shared";
import { findInMemory } from "./commands/non-volatile.ts";
import { createPrimary, type LoadedObject, readPublic, whileLoaded } from "./commands/objects.ts";
import { type EndorsementProfile, endorsementProfiles } from "./endorsement-profiles.ts";
import { responseCodeOf } from "./response-code.ts";
import type { TpmConnection } from "./tpm-connection.ts";
import { endorsement } from "./tpm-object.ts";

/** A TPM's endorsement key: how to get at it, and its certificate where the maker has put one in. */
export interface FoundEndorsementKey {
  readonly profile: string;
  readonly place: { readonly template: TpmPublicArea } | { readonly handle: number };
  /** DER. */
  readonly certificate: Uint8Array | undefined;
}

/**
 * Looks for the endorsement key whose certificate is in the TPM's memory: made from the profile's template, from a
 * template kept beside the certificate, or ready at its persistent handle, whichever fits the certificate. A TPM without
 * a fitting certificate gives the first kind of key it can make. Throws `token-error`.
 */
export function findEndorsementKey(tpm: TpmConnection): FoundEndorsementKey {
  for (const profile of endorsementProfiles) {
    const certificate = findCertificate(tpm, profile);
    const place = certificate && placesOf(tpm, profile).find((known) => isKeyOf(tpm, known, certificate));
    if (place !== undefined) return { profile: profile.name, place, certificate };
  }
  for (const { name, template } of endorsementProfiles) {
    if (spkiAt(tpm, { template }) !== undefined) return { profile: name, place: { template }, certificate: undefined };
  }
  throw new FleetError("token-error", "the TPM makes no endorsement key of a kind that is known here", {
    hint: "switch the endorsement hierarchy on in the firmware's settings",
  });
}

/** Runs with the endorsement key in a slot, or where it is persistent. */
export function withEndorsementKey<T>(
  tpm: TpmConnection,
  { place }: FoundEndorsementKey,
  run: (key: LoadedObject) => T,
): T {
  if ("handle" in place) return run(readPublic(tpm, place.handle));
  return whileLoaded(tpm, createPrimary(tpm, { hierarchy: endorsement, template: place.template }), run);
}

type Place = FoundEndorsementKey["place"];

function placesOf(tpm: TpmConnection, profile: EndorsementProfile): Place[] {
  const kept = findTemplate(tpm, profile);
  const made = kept === undefined ? [] : [{ template: kept }];
  return [...made, { template: profile.template }, { handle: profile.persistentHandle }];
}

/** Undefined when there is none, or none of a kind that is known here. */
function findTemplate(tpm: TpmConnection, { templateIndex }: EndorsementProfile): TpmPublicArea | undefined {
  const kept = findInMemory(tpm, templateIndex);
  try {
    return kept && parsePublicArea(kept);
  } catch (error) {
    if (isAttestationError(error)) return undefined;
    throw error;
  }
}

function isKeyOf(tpm: TpmConnection, place: Place, certificate: Uint8Array): boolean {
  return spkiAt(tpm, place)?.equals(spkiOfCertificate(certificate)) ?? false;
}

/** Undefined when the TPM has no key there or cannot make such a one. */
function spkiAt(tpm: TpmConnection, place: Place): Buffer | undefined {
  try {
    const found = { profile: "", place, certificate: undefined };
    return withEndorsementKey(tpm, found, ({ publicArea }) => Buffer.from(spkiOfPublicArea(publicArea)));
  } catch (error) {
    if (responseCodeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** The maker may have filled the rest of the place with any octets; undefined when there is no certificate. */
function findCertificate(tpm: TpmConnection, { certificateIndex }: EndorsementProfile): Uint8Array | undefined {
  const content = findInMemory(tpm, certificateIndex);
  if (content?.[0] !== 0x30 || content[1] !== 0x82) return undefined;
  const certificate = content.subarray(0, 4 + ((content[2] ?? 0) << 8) + (content[3] ?? 0));
  return isCertificate(certificate) ? tpmJoin(certificate) : undefined;
}

function isCertificate(der: Uint8Array): boolean {
  try {
    return spkiOfCertificate(der).length > 0;
  } catch {
    return false;
  }
}

const spkiOfCertificate = (der: Uint8Array): Buffer =>
  new X509Certificate(der).publicKey.export({ type: "spki", format: "der" });
