import { hash } from "node:crypto";
import { DerReader, tags } from "../asn1/der-reader.ts";
import { readOctetAlignedBits } from "../asn1/der-values.ts";
import { equalBytes } from "../asn1/der-writer.ts";
import type { Certificate } from "../certificate/certificate.ts";
import type { OcspCertId } from "./ocsp-request.ts";

/** Hash of the public key's bits alone, without tag, length and count of unused bits (RFC 6960 §4.1.1, §4.2.1). */
export function keyHash(spki: Uint8Array, algorithm: "sha1" | "sha256"): Uint8Array {
  const fields = new DerReader(spki).enter(tags.sequence);
  fields.element(tags.sequence);
  return new Uint8Array(hash(algorithm, readOctetAlignedBits(fields), "buffer"));
}

/** Whether a question is about certificates of this issuer; its hash may be SHA-1, as RFC 5019 has it, or SHA-256. */
export function isOfIssuer({ hashAlgorithm, issuerNameHash, issuerKeyHash }: OcspCertId, issuer: Certificate): boolean {
  const algorithm = hashes[hashAlgorithm];
  if (algorithm === undefined) return false;
  const name = new Uint8Array(hash(algorithm, issuer.subject.der, "buffer"));
  return equalBytes(name, issuerNameHash) && equalBytes(keyHash(issuer.spki, algorithm), issuerKeyHash);
}

/** SHA-1 names a key here; nobody's security rests on it. */
const hashes: Readonly<Record<string, "sha1" | "sha256">> = {
  "1.3.14.3.2.26": "sha1",
  "2.16.840.1.101.3.4.2.1": "sha256",
};
