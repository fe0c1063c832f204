import type { BodyOf } from "@fleetcert/proto";
import { type Duration, type ErrorCode, errorCatalogue, FleetError, sha256 } from "@fleetcert/shared";
import { vouchForKey } from "../attestation/vouch-for-key.ts";
import type { CarriedSlot } from "../courier/courier.ts";
import { verifyIssued } from "../credential/verify-issued.ts";
import type { KeyAttestor, TimeKeeper } from "../ports.ts";
import type { RenewalRunner } from "../renewal/runner.ts";
import { askerOf, type CredentialRecord, type Journal, pendingKey, type SlotState } from "../renewal/slot-state.ts";
import type { AgentIdentity } from "./agent-parts.ts";
import { identitySlot } from "./credential-actions.ts";
import type { KeyStores } from "./key-stores.ts";

/** What the way of a slot by courier is wired to. */
export interface CarriedSlotParts {
  readonly slot: string;
  readonly identity: AgentIdentity;
  readonly keys: KeyStores;
  readonly attestor?: KeyAttestor;
  readonly time: TimeKeeper;
  readonly agentVersion: string;
  readonly runner: RenewalRunner;
  /** The identity's certificate: it asks for the first one of another slot. */
  readonly identityCertificate: () => Uint8Array | undefined;
  /** Told of a credential that is proven and in use from now on. */
  readonly use: (credential: CredentialRecord) => Promise<void>;
}

/** A slot as bundles see it, over the runner that keeps its journal. */
export function carriedSlot(parts: CarriedSlotParts): CarriedSlot {
  const { runner, identity, keys } = parts;
  return {
    slot: parts.slot,
    async wishes(options) {
      const { journal } = await askedFor(parts, options);
      return {
        enrol: journal.at === "requested" ? await enrolOf(parts, journal) : undefined,
        renew: journal.at === "requested" ? await renewalOf(parts, journal) : undefined,
        activated: journal.at === "proving" ? activatedOf(parts, journal.next) : undefined,
      };
    },
    async check(body, { bundle, at }) {
      const { journal } = runner.state;
      if (journal.at !== "requested" || journal.generation !== body.generation) return undefined;
      const { spki } = await keys.open(journal.key.ref);
      const { slot, generation } = body;
      return verifyIssued(body, { ...identity, slot, generation, spki, bundle, at });
    },
    async take(generation, issued) {
      const { journal } = runner.state;
      if (journal.at !== "requested" || journal.generation !== generation) return false;
      runner.tell({ type: "issued", keyId: journal.key.id, issued });
      await runner.until(({ journal: { at } }) => at !== "requested", stepPatience);
      // Journalled is enough; that the key opens is seen here rather than with the next bundle.
      await runner.until((state) => state.journal.at === "proving" || isStuck(state), stepPatience);
      return true;
    },
    async confirmed({ generation, certificateSha256, grace }) {
      const { journal } = runner.state;
      if (journal.at !== "proving" || journal.next.generation !== generation) return false;
      if (Buffer.compare(sha256(journal.next.certificate), certificateSha256) !== 0) return false;
      runner.tell({ type: "proven", keyId: journal.next.key.id, grace });
      const { current } = await runner.until((state) => state.journal.at !== "proving", stepPatience);
      if (current !== undefined) await parts.use(current);
      return true;
    },
    async refused({ kind, generation }, { code, message, retryAfter }) {
      const { journal } = runner.state;
      const keyId = pendingKey(journal)?.id;
      const waits = journal.at === (kind === "activated" ? "proving" : "requested");
      if (!waits || keyId === undefined || pendingGeneration(journal) !== generation) return false;
      const doing = kind === "activated" ? "prove" : "request";
      runner.tell({ type: "failed", doing, keyId, code, reason: message, retryAfter });
      await runner.until(({ lastError, journal: { at } }) => lastError === code || at !== journal.at, stepPatience);
      return true;
    },
  };
}

/**
 * The state once what is due, wanted or under way has got as far as it can without the controller. A service that does not take its
 * new certificate keeps no other slot from being carried: the report says what is wrong with it.
 */
async function askedFor(
  { slot, runner, time }: CarriedSlotParts,
  { renew }: { readonly renew: boolean },
): Promise<SlotState> {
  const { state } = runner;
  const isIdle = state.journal.at === "idle";
  if (isIdle && !isWanted(state, { renew, now: time.estimate().at })) return state;
  const attempts = state.attempts;
  if (isIdle || isOnItsWay(state)) runner.want();
  const reached = await runner.until(
    (now) => (isIdle ? now !== state : true) && (!isOnItsWay(now) || hasFailedAgain(now, attempts)),
    stepPatience,
  );
  if (!isOnItsWay(reached) || slot !== identitySlot) return reached;
  const known = reached.lastError in errorCatalogue ? (reached.lastError as ErrorCode) : "key-store-unavailable";
  throw new FleetError(known, `no key could be made for the renewal: ${reached.lastReason}`, { retry: true });
}

/** The first certificate is always wanted. */
function isWanted(state: SlotState, { renew, now }: { readonly renew: boolean; readonly now: number }): boolean {
  if (state.current === undefined) return true;
  return renew || isDue(state, state.current, now);
}

/** By the controller's window, or two thirds of the lifetime: whoever comes by seldom need not wait for a point in between. */
function isDue({ window }: SlotState, current: CredentialRecord, now: number): boolean {
  const { notBefore, notAfter, generation } = current;
  if (window?.generation === generation + 1) return now >= window.start;
  return now >= notBefore + ((notAfter - notBefore) * 2) / 3;
}

/** Whether the next step needs nobody but this device. */
function isOnItsWay({ journal }: SlotState): boolean {
  return ["idle", "intended", "keyGenerated", "issued", "installed", "reloaded", "restoring", "abandoned"].includes(
    journal.at,
  );
}

function hasFailedAgain({ attempts, lastError }: SlotState, before: number): boolean {
  return lastError !== "" && attempts > before;
}

function isStuck({ lastError }: SlotState): boolean {
  return lastError !== "";
}

/** The enrolment as it would go over a session. Throws `attestation-required` for a key in a TPM that is to be proven. */
async function enrolOf(
  { slot, runner, keys, attestor, agentVersion }: CarriedSlotParts,
  { generation, csr, key: { ref } }: Extract<Journal, { at: "requested" }>,
): Promise<BodyOf<"enrol"> | undefined> {
  if (slot !== identitySlot || runner.state.current !== undefined) return undefined;
  if (attestor !== undefined && ref.startsWith(tpmRef)) {
    throw new FleetError("attestation-required", "a TPM is proven in two trips, which an enrolment by courier is not", {
      hint: "enrol it once where it has a network, or set keys.attest: never here: then its key counts as `token`",
    });
  }
  const { protection } = await keys.open(ref);
  const tokenSerial = keys.infoOf(ref).serial ?? "";
  return { type: "enrol", slot, generation, csr, protection, tokenSerial, agentVersion };
}

/** The request as it would go over a session, with what vouches for the new key. */
async function renewalOf(
  { slot, runner, keys, identity, attestor, identityCertificate }: CarriedSlotParts,
  { generation, csr, key: { ref } }: Extract<Journal, { at: "requested" }>,
): Promise<BodyOf<"renew"> | undefined> {
  const previous = askerOf(runner.state, generation)?.certificate ?? identityCertificate();
  if (previous === undefined) return undefined;
  const { spki, protection } = await keys.open(ref);
  const requested = { device: identity.device, slot, generation, ref, spki };
  return {
    ...{ type: "renew", slot, generation, csr, protection },
    previousCertificateSha256: sha256(previous),
    tokenSerial: keys.infoOf(ref).serial ?? "",
    ...(attestor && ref.startsWith(tpmRef) && { evidence: await vouchForKey(attestor, requested) }),
  };
}

function activatedOf({ slot }: CarriedSlotParts, { generation, certificate }: CredentialRecord): BodyOf<"activated"> {
  return { type: "activated", slot, generation, certificateSha256: sha256(certificate) };
}

function pendingGeneration(journal: Journal): number | undefined {
  if ("next" in journal) return journal.next.generation;
  return "generation" in journal ? journal.generation : undefined;
}

/** What references to keys in a TPM begin with. */
const tpmRef = "tpm2:";
/** A TPM may take long to make an RSA key. */
const stepPatience: Duration = 120_000;
