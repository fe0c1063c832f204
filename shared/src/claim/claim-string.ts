import { FleetError } from "../errors.ts";
import { Secret } from "../key/secret.ts";

/** What a device needs to enrol: the claim and its secret, and the root to trust before any secret is sent. */
export interface Claim {
  /** 8 to 20 of a-z and 0-9. */
  readonly claimId: string;
  /** base64url text of 16 to 64 bytes; the bytes are the password of the bootstrap session. */
  readonly secret: Secret;
  /** SHA-256 of the root certificate, lower-case hex. */
  readonly rootSha256: string;
  readonly fleet: string;
  /** The one device that a person permitted to enrol anew, and the generation it begins with. */
  readonly reenrolment?: { readonly device: string; readonly generation: number };
}

/**
 * The claim as one line: `fc1.<claimId>.<secret base64url>.<root sha256 hex>.<fleet>`; whoever holds it may enrol. One that lets a
 * known device enrol anew is `fc2.<claimId>.<secret>.<root>.<fleet>.<generation>.<device>`.
 */
export function formatClaimString(claim: Claim): string {
  const { claimId, secret, rootSha256, fleet, reenrolment } = claim;
  const common = [claimId, secret.reveal(), rootSha256, fleet];
  const anew = reenrolment === undefined ? [] : [String(reenrolment.generation), reenrolment.device];
  const text = [reenrolment === undefined ? "fc1" : "fc2", ...common, ...anew].join(".");
  parseClaimString(text);
  return text;
}

/**
 * Reads a claim string as it stands in a file: white space around it is passed over, nothing else may be there.
 * Throws `claim-malformed`; the text itself never appears in the error.
 */
export function parseClaimString(text: string): Claim {
  const match = text.length <= maxClaimCharacters ? claimForm.exec(text.trim()) : null;
  const [, version, claimId, secret, rootSha256, fleet, generation, device] = match ?? [];
  const isWhole = (version === "fc2") === (device !== undefined);
  if (!isWhole || claimId === undefined || secret === undefined || rootSha256 === undefined || fleet === undefined) {
    throw new FleetError("claim-malformed", "this is no claim string", {
      hint: 'give the whole line that "fleetcert claim create" or "device reenrol" printed, beginning with fc1. or fc2.',
    });
  }
  const claim = { claimId, secret: Secret.of(secret), rootSha256, fleet };
  return device === undefined ? claim : { ...claim, reenrolment: { device, generation: Number(generation) } };
}

/** Whether a text may name a fleet: letters, digits, dash and underscore, at most 63, as it stands in URIs and topics. */
export const isFleetName = (text: string): boolean => fleetForm.test(text);

const fleetForm = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const claimForm =
  /^(fc1|fc2)\.([a-z0-9]{8,20})\.([A-Za-z0-9_-]{22,86})\.([0-9a-f]{64})\.([a-z0-9][a-z0-9_-]{0,62})(?:\.([1-9][0-9]{0,8})\.([a-z0-9][a-z0-9._-]{0,63}))?$/;
const maxClaimCharacters = 400;
