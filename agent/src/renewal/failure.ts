import type { Moment } from "./event.ts";
import { isMoving, type RenewalSettings } from "./settings.ts";
import type { CredentialRecord, Journal, SlotState } from "./slot-state.ts";

/** What follows from a failure that is counted already; `again` is a pause and the same step once more. */
export type Consequence =
  | "abandon"
  | "give-permission-back"
  | "doubt"
  | "settle"
  | "move-later"
  | "roll-back"
  | "again";

/** Decides what follows from the last failure of a state. Pure. */
export function consequenceOf(
  failed: SlotState,
  doing: string,
  { moment, settings }: { readonly moment: Moment; readonly settings: RenewalSettings },
): Consequence {
  const { journal, attempts, lastError } = failed;
  if (journal.at === "requested" && isPermissionGone(failed)) return "give-permission-back";
  if (journal.at === "requested" && isPointless(failed)) return "abandon";
  // Another token in the slot looks the same for a while; only a key that stays away is given up, and one that the controller may
  // have seen proven is not given up at all.
  const isKeyMissing = lastError === "key-not-found";
  const isKeyLost = isKeyMissing || (isMoving(failed, settings) && keyStoreCodes.has(lastError));
  // A service that was verified serves with its key; what fails there is the identity's.
  const isOwnProof = journal.at === "proving" && settings.kind !== "service";
  if (isKeyLost && isOwnProof && attempts >= keyLostInProofAfter) return "doubt";
  const isKeyUseless = isKeyMissing || lastError === "key-attributes-wrong";
  if (isKeyUseless && isUnseen(journal) && attempts >= keyLostAfter) return "abandon";
  // The key store that keys are to move to does not work: the old one is still there.
  if (isMoving(failed, settings) && attempts >= moveTries) {
    if (journal.at === "intended") return "move-later";
    if (isKeyLost && isUnseen(journal)) return "abandon";
  }
  // A token that will not delete a key must not keep the slot from its next rotation; collecting tries again later.
  if (doing === "destroy" && attempts >= destroyTries) return "settle";
  if (journal.at === "proving" && isSpent(failed, journal.next, moment)) return "doubt";
  return settings.kind === "service" && isInService(journal) ? "roll-back" : "again";
}

/** Expired by a time that was vouched for, or by the wall clock when the controller turned the credential away as well. */
export function isSpent({ lastError }: SlotState, { notAfter }: CredentialRecord, moment: Moment): boolean {
  return moment.now > notAfter && (moment.isAnchored || lastError === "denied");
}

/** What failed only because nobody could be reached is worth another try as soon as somebody can. */
export function waitsForLink({ journal, attempts, lastError }: SlotState): boolean {
  const needsLink = journal.at === "requested" || journal.at === "proving";
  return needsLink && attempts > 0 && (lastError === "offline" || lastError === "timeout");
}

/** Whether asking again the same way cannot help: the key is refused, or the other of two askers has to try. */
function isPointless({ lastError, current, unproven, attempts }: SlotState): boolean {
  if (pointlessKeyCodes.has(lastError)) return true;
  // With a credential to lose another key is a person's decision: the controller may take it for a clone.
  if (lastError === "generation-conflict" && current === undefined) return true;
  const isAskerLost = lastError === "key-store-unavailable" && attempts >= keyLostAfter;
  return unproven !== undefined && (wrongAskerCodes.has(lastError) || isAskerLost);
}

/** Whether the claim of a new enrolment is refused for good; a device that still has a credential goes back to that. */
function isPermissionGone({ reenrolment, current, unproven, lastError, attempts }: SlotState): boolean {
  if (reenrolment === 0 || (current ?? unproven) === undefined) return false;
  return permissionCodes.has(lastError) && attempts >= permissionTries;
}

/** Whether the controller cannot have seen the pending key in use. */
function isUnseen({ at }: Journal): boolean {
  return at === "keyGenerated" || at === "requested" || at === "issued";
}

/** Whether the files of a service may be those of the new credential, without it having been seen to serve it. */
function isInService({ at }: Journal): boolean {
  return at === "issued" || at === "installed" || at === "reloaded";
}

/** Refusals that another try with the same key cannot change. */
const pointlessKeyCodes: ReadonlySet<string> = new Set([
  "key-weak",
  "key-spent",
  "csr-invalid",
  "csr-proof-invalid",
  "issued-mismatch",
]);

/** Refusals that say that the credential that asked is not the last one proven. */
const wrongAskerCodes: ReadonlySet<string> = new Set([
  "signer-not-allowed",
  "credential-expired",
  "credential-revoked",
  "device-exists",
  "generation-conflict",
  "conflict",
  "denied",
  "not-found",
]);

/** What key stores say when they do not work. */
const keyStoreCodes: ReadonlySet<string> = new Set([
  "key-store-unavailable",
  "key-store-missing",
  "key-attributes-wrong",
  "pin-refused",
  "token-error",
]);

/** Refusals of a claim that is spent, over, taken back, or about another generation. */
const permissionCodes: ReadonlySet<string> = new Set([
  "claim-invalid",
  "denied",
  "device-exists",
  "generation-conflict",
]);

const permissionTries = 3;
const destroyTries = 5;
const keyLostAfter = 3;
/** Until the attempt is given up and, when the certificate is due, a key beside the old one is taken instead. */
const moveTries = 5;
/** More than an hour of backoff: another key after this one may look like a clone to the controller. */
const keyLostInProofAfter = 12;
