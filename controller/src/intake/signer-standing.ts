import {
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
import type { CertificateRecord } from "../records.ts";
import type { Transaction } from "../store-port.ts";

/** Whose key signed a message, as the inventory sees it. */
export interface JudgedSigner {
  readonly standing: SignerStanding;
  /** SHA-256 of the SPKI, lower-case hex. */
  readonly key: string;
  readonly certificate: CertificateRecord | undefined;
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
    const certificates = (await tx.certificates.listByKey(key)).filter(
      (one) => one.device === message.sender && one.slot === "identity",
    );
    const certificate = certificates.at(-1);
    if (certificate === undefined) continue;
    requireSignature(envelope, parseCertificate(certificate.der).spki);
    signers.push({ standing: standingOf(certificate, { now, grace }), key, certificate });
  }
  return signers;
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
