import { readAlgorithmIdentifier, readSubjectPublicKeyInfo } from "../asn1/algorithm-identifier.ts";
import { contextTag, DerReader, derInvalid, readDer, tags } from "../asn1/der-reader.ts";
import { readOctetAlignedBits, readSmallInteger } from "../asn1/der-values.ts";
import { readOid } from "../asn1/object-identifier.ts";
import { type DistinguishedName, readName } from "../certificate/distinguished-name.ts";
import { extensionOids, readExtensions } from "../certificate/extension.ts";
import { readAlternativeNames } from "../certificate/extension-values.ts";
import { type AlternativeNames, sortAlternativeNames } from "../certificate/general-name.ts";
import { FleetError } from "../errors.ts";
import type { KeyAlgorithm } from "../key/key.ts";
import { keyAlgorithmOf, keyAlgorithmOfVerified } from "../key/key-algorithm.ts";
import { verifySignature } from "../key/verify-signature.ts";

/** A parsed certificate request whose proof of possession holds. Names in it are wishes; the registry decides. */
export interface Csr {
  readonly der: Uint8Array;
  readonly subject: DistinguishedName;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly keyAlgorithm: KeyAlgorithm;
  readonly requestedSans: AlternativeNames;
}

/**
 * Parses one PKCS#10 request (RFC 2986) of at most 4,096 bytes and checks that it is signed by its own key.
 *
 * Throws `csr-invalid` for malformed or oversized bytes, `key-weak` for a key that is not accepted,
 * `csr-proof-invalid` when the signature is not that of the key.
 */
export function parseCsr(der: Uint8Array): Csr {
  const request = asCsrInvalid(() => readDer(der, { tag: tags.sequence, maxBytes: maxCsrBytes }, readRequest));
  const { subject, spki, requestedSans, ...claim } = request;
  const isProven = verifySignature({ spki, ...claim });
  // A key that is not accepted is told before anything is said about what it signed.
  const keyAlgorithm = isProven ? keyAlgorithmOfVerified(spki) : keyAlgorithmOf(spki);
  if (!isProven) {
    throw new FleetError("csr-proof-invalid", "the request is not signed by the key it asks a certificate for", {
      hint: "make the request again with the private key at hand",
    });
  }
  return { der, subject, spki, keyAlgorithm, requestedSans };
}

function readRequest(reader: DerReader) {
  const message = reader.element(tags.sequence);
  const algorithm = readAlgorithmIdentifier(reader);
  const signature = readOctetAlignedBits(reader);
  const info = new DerReader(message).enter(tags.sequence);
  if (readSmallInteger(info) !== 0) throw derInvalid("version is not 0");
  const subject = readName(info);
  const spki = readSubjectPublicKeyInfo(info);
  const requestedSans = sortAlternativeNames(readAttributes(info.enter(contextTag(0, "constructed"))));
  info.finish();
  return { subject, spki, requestedSans, message, algorithm, signature };
}

/** Attributes; of them only the extension request (RFC 2985 §5.4.2) is looked into, and of it only the names. */
function readAttributes(attributes: DerReader) {
  const seen = new Set<string>();
  const names = [];
  while (!attributes.isAtEnd) {
    const attribute = attributes.enter(tags.sequence);
    const type = readOid(attribute);
    const values = attribute.enter(tags.set);
    attribute.finish();
    if (seen.has(type)) throw derInvalid(`attribute ${type} appears twice`);
    seen.add(type);
    if (type !== "1.2.840.113549.1.9.14") continue;
    const wanted = readExtensions(values).find(({ oid }) => oid === extensionOids.subjectAltName);
    values.finish();
    if (wanted === undefined) continue;
    const content = new DerReader(wanted.value);
    names.push(...readAlternativeNames(content));
    content.finish();
  }
  return names;
}

function asCsrInvalid<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof FleetError)) throw cause;
    throw new FleetError("csr-invalid", `malformed certificate request: ${cause.message}`, { cause });
  }
}

const maxCsrBytes = 4096;
