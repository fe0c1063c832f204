import { FleetError, type Signer, sha256, spkiSha256, verifySignature } from "@fleetcert/shared";
import { fleetcert } from "./generated/v1.js";

/** Payload types that may stand in an envelope. */
export const payloadTypes = {
  message: "application/vnd.fleetcert.message.v1+protobuf",
  trustBundle: "application/vnd.fleetcert.trust-bundle.v1+protobuf",
} as const;

/** One of {@link payloadTypes}. */
export type PayloadType = (typeof payloadTypes)[keyof typeof payloadTypes];

/** A decoded envelope whose signatures are not yet verified. */
export interface SignedEnvelope {
  readonly payloadType: PayloadType;
  readonly payload: Uint8Array;
  readonly signatures: readonly EnvelopeSignature[];
}

interface EnvelopeSignature {
  /** SHA-256 of the signer's SPKI, lower-case hex; a hint. */
  readonly keyId: string;
  readonly signature: Uint8Array;
}

/** Largest envelope any transport may carry. */
export const maxEnvelopeBytes = 60 * 1024;

/**
 * Signs a payload over its pre-authentication encoding, once by each signer, and encodes the envelope. Throws
 * `message-too-large` for one that no transport would carry.
 */
export async function signEnvelope(
  payloadType: PayloadType,
  payload: Uint8Array,
  ...signers: Signer[]
): Promise<Uint8Array> {
  const encoded = preAuthenticationEncoding(payloadType, payload);
  const signatures = [];
  for (const signer of signers) {
    signatures.push({ keyId: sha256(signer.spki), signature: await signer.sign(encoded) });
  }
  return encodeEnvelope(payloadType, payload, signatures);
}

/** Adds a signature to an envelope made earlier; for roots that sign one after the other. */
export async function addSignature(bytes: Uint8Array, signer: Signer): Promise<Uint8Array> {
  const { payloadType, payload, signatures } = decodeEnvelope(bytes);
  const signature = await signer.sign(preAuthenticationEncoding(payloadType, payload));
  const earlier = signatures.map((one) => ({ keyId: Buffer.from(one.keyId, "hex"), signature: one.signature }));
  return encodeEnvelope(payloadType, payload, [...earlier, { keyId: sha256(signer.spki), signature }]);
}

/** Decodes an envelope. Throws `message-too-large` or `message-invalid`; says nothing about its signatures. */
export function decodeEnvelope(bytes: Uint8Array): SignedEnvelope {
  requireSize(bytes);
  let raw: fleetcert.v1.SignedEnvelope;
  try {
    raw = fleetcert.v1.SignedEnvelope.decode(bytes) as fleetcert.v1.SignedEnvelope;
  } catch (cause) {
    throw new FleetError("message-invalid", "the bytes are not a signed envelope", { cause });
  }
  const payloadType = Object.values(payloadTypes).find((type) => type === raw.payloadType);
  if (payloadType === undefined) {
    throw new FleetError(
      "version-unsupported",
      `payload type ${JSON.stringify(raw.payloadType.slice(0, 80))} is unknown`,
    );
  }
  if (raw.signatures.length === 0 || raw.signatures.length > maxSignatures) {
    throw new FleetError(
      "message-invalid",
      `envelope has ${raw.signatures.length} signatures, 1 to ${maxSignatures} allowed`,
    );
  }
  return {
    payloadType,
    payload: raw.payload,
    signatures: raw.signatures.map(({ keyId, signature }) => ({
      keyId: Buffer.from(keyId ?? []).toString("hex"),
      signature: signature ?? new Uint8Array(),
    })),
  };
}

/** Whether one of the envelope's signatures verifies under the key. Never throws. */
export function isSignedBy(envelope: SignedEnvelope, spki: Uint8Array): boolean {
  const message = preAuthenticationEncoding(envelope.payloadType, envelope.payload);
  const keyId = spkiSha256(spki);
  return envelope.signatures.some(
    ({ keyId: hint, signature }) => hint === keyId && verifySignature({ spki, message, signature }),
  );
}

/** Whether the bytes are just the envelope they decode to: nothing unknown in it, nothing left out. Throws as {@link decodeEnvelope}. */
export function isExactEnvelope(bytes: Uint8Array): boolean {
  const { payloadType, payload, signatures } = decodeEnvelope(bytes);
  const named = signatures.map(({ keyId, signature }) => ({ keyId: Buffer.from(keyId, "hex"), signature }));
  return Buffer.compare(encodeEnvelope(payloadType, payload, named), bytes) === 0;
}

/** The key ids an envelope names, as hints for finding the keys. */
export function signerHints(envelope: SignedEnvelope): string[] {
  return envelope.signatures.map(({ keyId }) => keyId);
}

/** DSSE v1.0.2: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType, "utf8");
  const head = Buffer.from(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `, "utf8");
  return Buffer.concat([head, payload]);
}

function encodeEnvelope(
  payloadType: PayloadType,
  payload: Uint8Array,
  signatures: { keyId: Uint8Array; signature: Uint8Array }[],
): Uint8Array {
  const bytes = fleetcert.v1.SignedEnvelope.encode({ payloadType, payload, signatures }).finish();
  requireSize(bytes);
  return bytes;
}

function requireSize({ length }: Uint8Array): void {
  if (length <= maxEnvelopeBytes) return;
  throw new FleetError("message-too-large", `envelope has ${length} bytes, limit ${maxEnvelopeBytes}`);
}

const maxSignatures = 4;
