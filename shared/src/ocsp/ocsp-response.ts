import { contextTag, tags } from "../asn1/der-reader.ts";
import { derGeneralizedTime } from "../asn1/der-time.ts";
import { derBitString, derElement, derOctetString, derSequence } from "../asn1/der-writer.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import { encodeExtension } from "../certificate/extension.ts";
import { type ReasonCode, reasonCodeNumbers } from "../crl/reason-code.ts";
import type { Signer } from "../key/key.ts";
import { signatureAlgorithmOf } from "../key/signature-algorithm.ts";
import type { Instant } from "../time/instant.ts";
import { keyHash } from "./ocsp-issuer.ts";
import { ocspOids } from "./ocsp-request.ts";

/** What is said of one certificate (RFC 6960 §4.2.1). */
export type OcspStatus =
  | { readonly status: "good" }
  | { readonly status: "revoked"; readonly at: Instant; readonly reason: ReasonCode }
  | { readonly status: "unknown" };

/** The answer about one certificate. */
export type OcspSingleAnswer = OcspStatus & {
  /** The CertID element as it was asked. */
  readonly certId: Uint8Array;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
};

/** Why there is no answer (RFC 6960 §2.3). */
export type OcspFailure = "malformedRequest" | "internalError" | "tryLater" | "unauthorized";

/** Signs a basic response by a responder that is known by its key. Times are cut to whole seconds. */
export async function signOcspResponse(response: {
  readonly answers: readonly OcspSingleAnswer[];
  readonly producedAt: Instant;
  readonly nonce: Uint8Array | undefined;
  readonly signer: Signer;
  /** DER certificates the asker needs: the delegated responder's. */
  readonly certificates: readonly Uint8Array[];
}): Promise<Uint8Array> {
  const { answers, producedAt, nonce, signer, certificates } = response;
  const responderKey = derOctetString(keyHash(signer.spki, "sha1"));
  const data = derSequence(
    derElement(contextTag(2, "constructed"), responderKey),
    derGeneralizedTime(producedAt),
    derSequence(...answers.map(encodeAnswer)),
    ...(nonce === undefined ? [] : [derElement(contextTag(1, "constructed"), derSequence(encodeNonce(nonce)))]),
  );
  const basic = derSequence(
    data,
    signatureAlgorithmOf(signer.algorithm),
    derBitString(await signer.sign(data)),
    derElement(contextTag(0, "constructed"), derSequence(...certificates)),
  );
  const bytes = derSequence(encodeOid(ocspOids.basic), derOctetString(basic));
  return derSequence(enumerated(0), derElement(contextTag(0, "constructed"), bytes));
}

/** A response that only says why there is no answer; it is not signed. */
export function encodeOcspFailure(failure: OcspFailure): Uint8Array {
  return derSequence(enumerated(failures[failure]));
}

function encodeAnswer(answer: OcspSingleAnswer): Uint8Array {
  return derSequence(
    answer.certId,
    encodeStatus(answer),
    derGeneralizedTime(answer.thisUpdate),
    derElement(contextTag(0, "constructed"), derGeneralizedTime(answer.nextUpdate)),
  );
}

function encodeStatus(answer: OcspStatus): Uint8Array {
  if (answer.status === "good") return derElement(contextTag(0, "primitive"));
  if (answer.status === "unknown") return derElement(contextTag(2, "primitive"));
  const reason = derElement(contextTag(0, "constructed"), enumerated(reasonCodeNumbers[answer.reason]));
  // As in lists, `unspecified` is left out (RFC 5280 §5.3.1).
  const reasons = answer.reason === "unspecified" ? [] : [reason];
  return derElement(contextTag(1, "constructed"), derGeneralizedTime(answer.at), ...reasons);
}

const encodeNonce = (nonce: Uint8Array): Uint8Array =>
  encodeExtension(ocspOids.nonce, { critical: false, value: derOctetString(nonce) });

const enumerated = (value: number): Uint8Array => derElement(tags.enumerated, Uint8Array.of(value));

const failures: Readonly<Record<OcspFailure, number>> = {
  malformedRequest: 1,
  internalError: 2,
  tryLater: 3,
  unauthorized: 6,
};
