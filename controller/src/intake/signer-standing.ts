import {
  type EnrolRequest,
  isSignedBy,
  type Message,
  type SignedEnvelope,
  type SignerStanding,
  signerHints,
  signerTable,
  type UpKind,
} from "@fleetcert/proto";
import { type Duration, FleetError, type Instant, parseCertificate, parseCsr, spkiSha256 } from "@fleetcert/shared";
import type { MessageSource } from "../ports.ts";
import type { CertificateRecord, ClaimRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";

/** Whose key signed a message, as the inventory sees it. */
export interface JudgedSigner {
  readonly standing: SignerStanding;
  /** SHA-256 of the SPKI, lower-case hex. */
  readonly key: string;
  readonly certificate: CertificateRecord | undefined;
  /** The claim whose key signed too; only of enrolments that a courier brought. */
  readonly claimId?: string;
}

/**
 * Finds the key that signed a message by looking its hint up in the inventory, and verifies the signature with it. The
 * key must belong to an identity credential of the sender, or be the CSR key of an enrolment. Throws
 * `signature-invalid`, `signer-not-allowed`.
 */
export async function judgeSigner(
  tx: Transaction,
  asked: {
    readonly envelope: SignedEnvelope;
    readonly message: Message;
    readonly peer: MessageSource;
    readonly now: Instant;
    readonly grace: Duration;
  },
): Promise<JudgedSigner> {
  const { envelope, message, peer } = asked;
  if (peer.type === "courier" && message.body.type === "enrol") {
    return await judgeNewcomer(tx, { ...asked, request: message.body });
  }
  if (peer.type === "courier") return bestOf(await judgeSigners(tx, asked), message.kind as UpKind);
  const [certified] = await certifiedSigners(tx, asked);
  if (certified !== undefined) return certified;
  const csr = csrOf(message);
  if (csr === undefined)
    throw new FleetError("signer-not-allowed", `the key that signed is not known as one of ${message.sender}`);
  const { spki } = parseCsr(csr);
  requireSignature(envelope, spki);
  return { standing: "csr", key: spkiSha256(spki), certificate: undefined };
}

/**
 * The keys that signed what a courier brings: the one in use and, between issuance and the news of its proof, the next one, for
 * the device cannot know which of the two counts here by now. Each must be of the sender, and its signature verify.
 */
export async function judgeSigners(
  tx: Transaction,
  asked: Omit<Parameters<typeof judgeSigner>[1], "peer">,
): Promise<JudgedSigner[]> {
  const hints = signerHints(asked.envelope);
  const found = await certifiedSigners(tx, asked, carriedSignatures);
  if (found.length > 0 && found.length === hints.length) return found;
  throw new FleetError(
    "signer-not-allowed",
    `${hints.length - found.length} of the keys that signed are not known as one of ${asked.message.sender}`,
  );
}

/**
 * Whoever signed a first enrolment that a courier brings, or the manifest around it: the key of its CSR, and the key of the claim it
 * names. The courier sees neither key nor secret, so that nothing in the file can be exchanged for something of the courier's own.
 * Throws `claim-invalid`, `signature-invalid`, `signer-not-allowed`.
 */
export async function judgeNewcomer(
  tx: Transaction,
  { request, ...asked }: Omit<Parameters<typeof judgeSigner>[1], "peer"> & { readonly request: EnrolRequest },
): Promise<JudgedSigner> {
  const { envelope } = asked;
  const { spki } = parseCsr(request.csr);
  requireSignature(envelope, spki);
  const { id: claimId, proofKey } = await requireClaimWithKey(tx, request.claimId);
  if (!isSignedBy(envelope, proofKey)) {
    throw new FleetError("claim-invalid", `the bundle is not signed by the claim ${claimId} that it names`, {
      hint: "somebody changed the file, or made it with another claim; export it again with the right claim file",
    });
  }
  if (signerHints(envelope).length !== carriedSignatures) {
    throw new FleetError(
      "signer-not-allowed",
      "an enrolment is signed by its own key and its claim, and by nobody else",
    );
  }
  const key = spkiSha256(spki);
  const certificate = await certificateOfKey(tx, key, asked.message);
  return { standing: certificate === undefined ? "csr" : standingOf(certificate, asked), key, certificate, claimId };
}

async function requireClaimWithKey(tx: Transaction, id: string | undefined): Promise<ClaimRecord> {
  const claim = id === undefined ? undefined : await tx.claims.find(id);
  if (claim === undefined) {
    throw new FleetError("claim-invalid", `there is no claim ${id ?? "named in the enrolment"}`, {
      hint: "fleetcert claim list",
    });
  }
  if (claim.proofKey.length > 0) return claim;
  throw new FleetError("claim-invalid", `claim ${claim.id} is of before enrolments could be carried by a courier`, {
    hint: "make a new one: fleetcert claim create",
  });
}

/** The first of them that may sign the kind, else the first. */
export function bestOf(signers: readonly JudgedSigner[], kind: UpKind): JudgedSigner {
  const able = signers.find(({ standing }) => signerTable[standing].courier.includes(kind));
  return able ?? (signers[0] as JudgedSigner);
}

async function certifiedSigners(
  tx: Transaction,
  { envelope, message, now, grace }: Omit<Parameters<typeof judgeSigner>[1], "peer">,
  most = 1,
): Promise<JudgedSigner[]> {
  const signers: JudgedSigner[] = [];
  for (const key of signerHints(envelope).slice(0, most)) {
    const certificate = await certificateOfKey(tx, key, message);
    if (certificate === undefined) continue;
    requireSignature(envelope, parseCertificate(certificate.der).spki);
    signers.push({ standing: standingOf(certificate, { now, grace }), key, certificate });
  }
  return signers;
}

/** The newest identity certificate that the sender has for the key. */
async function certificateOfKey(tx: Transaction, key: string, { sender }: Message) {
  const certificates = await tx.certificates.listByKey(key);
  return certificates.findLast(({ device, slot }) => device === sender && slot === "identity");
}

/** What the key of a certificate may count as now. */
export function standingOf(
  certificate: CertificateRecord,
  { now, grace }: { readonly now: Instant; readonly grace: Duration },
): SignerStanding {
  const { state, revokedAt, retiredAt, notAfter } = certificate;
  if (state === "revoked" || revokedAt !== undefined) return "revoked";
  if (state === "abandoned") return "abandoned";
  if (state === "retired") return now <= (retiredAt ?? 0) + grace && now <= notAfter ? "retired-in-grace" : "retired";
  if (now > notAfter) return "expired";
  return state;
}

/** The CSR of an enrolment, in either of its legs. */
function csrOf({ body }: Message): Uint8Array | undefined {
  if (body.type === "enrol") return body.csr;
  if (body.type !== "attestation" || "previousCertificateSha256" in body.request) return undefined;
  return body.request.csr;
}

function requireSignature(envelope: SignedEnvelope, spki: Uint8Array): void {
  if (!isSignedBy(envelope, spki)) throw new FleetError("signature-invalid", "the message is not signed by its key");
}

const carriedSignatures = 2;
