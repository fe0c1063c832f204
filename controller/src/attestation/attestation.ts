import type { TpmEvidence } from "@fleetcert/proto";
import type {
  CredentialCrypto,
  DeviceId,
  EndorsementPolicy,
  KeyEvidence,
  MadeCredential,
  PcrSelection,
} from "@fleetcert/shared";
import type { MessageHandlers, MessageSealer, Surroundings } from "../ports.ts";
import type { AttestationRecord, QuoteRecord } from "../records.ts";
import type { Store, Transaction } from "../store-port.ts";
import { makeChallenge, requireActivated } from "./activation.ts";
import { certifyGeneration } from "./certify-generation.ts";
import { type JudgedTpm, judgeTpm } from "./judge-tpm.ts";
import { askQuote, repeatQuestion, takeQuote } from "./quotes.ts";

/** What attestation works with. */
export interface AttestationParts {
  readonly store: Store;
  readonly sealer: MessageSealer;
  readonly surroundings: Surroundings;
  readonly crypto: CredentialCrypto;
  readonly endorsements: EndorsementPolicy;
}

/** The key a request is about. */
export interface AttestedKey {
  readonly device: DeviceId;
  readonly slot: string;
  readonly generation: number;
  /** DER SubjectPublicKeyInfo of the CSR. */
  readonly spki: Uint8Array;
}

/** An enrolment with a TPM: the key, what the TPM says, and by which claim it comes. */
export interface TpmRequest extends AttestedKey, TpmEvidence {
  readonly claimId: string;
}

/**
 * Proves that keys live in TPMs. Every refusal is `attestation-invalid` with its reason, `path-invalid`, or
 * `certificate-invalid`; none has an effect.
 */
export interface Attestation {
  /** Whether any TPM may come in: a manufacturer's root or an endorsement key is configured. */
  readonly isConfigured: boolean;
  /** Judges a TPM and its key, and makes the credential that only this TPM can read. */
  challenge(tx: Transaction, request: TpmRequest): Promise<MadeCredential>;
  /** Judges them again together with what the credential held. */
  prove(tx: Transaction, request: TpmRequest, activated: Uint8Array): Promise<AttestationRecord>;
  /**
   * Whether evidence shows that the key of a later generation is in the TPM the device enrolled with; notes that it does.
   * Undefined when the device has enrolled with none, or shows no evidence.
   */
  certify(tx: Transaction, key: AttestedKey, evidence: KeyEvidence | undefined): Promise<AttestationRecord | undefined>;
  /** Asks a device for its PCRs. Throws `not-found`, or `conflict` for a device without a proven TPM. */
  askQuote(actor: string, device: string, pcrs: readonly PcrSelection[]): Promise<QuoteRecord>;
  /** A device is here and listens: what it has not answered is asked again. */
  repeatQuestion(device: string): Promise<void>;
  readonly handlers: MessageHandlers;
}

/** Opens attestation; nothing is kept but the keys that challenges are made with. */
export function openAttestation(parts: AttestationParts): Attestation {
  const { endorsements, surroundings } = parts;
  const judge = (request: TpmRequest): JudgedTpm => judgeTpm(request, endorsements, surroundings.clock.now());
  return {
    isConfigured: endorsements.roots.length > 0 || endorsements.allowed.size > 0,
    challenge: (tx, request) => makeChallenge(parts, tx, { request, judged: judge(request) }),
    async prove(tx, request, activated) {
      const judged = judge(request);
      await requireActivated(parts, tx, { request, judged, activated });
      return recordOf(request, judged, surroundings.clock.now());
    },
    certify: (tx, key, evidence) => certifyGeneration(tx, { key, evidence, now: surroundings.clock.now() }),
    askQuote: (actor, device, pcrs) => askQuote(parts, { actor, device, pcrs }),
    repeatQuestion: (device) => repeatQuestion(parts, device),
    handlers: { quote: (received, reply) => takeQuote(parts, received, reply) },
  };
}

function recordOf({ device, tpm }: TpmRequest, judged: JudgedTpm, now: number): AttestationRecord {
  const { endorsementKey, ground } = judged;
  const { manufacturer = "", model = "", firmware = "" } = endorsementKey.identity ?? {};
  return {
    device,
    endorsementKeySha256: endorsementKey.hash,
    endorsementCertificateSha256: endorsementKey.certificate?.sha256 ?? "",
    ...{ manufacturer, model, firmware, ground },
    attestationKey: tpm.attestationKey,
    provenAt: now,
    certifiedAt: now,
  };
}
