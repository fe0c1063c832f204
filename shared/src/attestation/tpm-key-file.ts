import { contextTag, type DerReader, readDer, tags } from "../asn1/der-reader.ts";
import { readBoolean, readIntegerBytes } from "../asn1/der-values.ts";
import { derBoolean, derElement, derInteger, derOctetString, derSequence } from "../asn1/der-writer.ts";
import { encodeOid, readOid } from "../asn1/object-identifier.ts";
import { isFleetError } from "../errors.ts";
import { attestationInvalid } from "./attestation-failure.ts";
import { readTpm } from "./tpm-reader.ts";
import { tpmSized } from "./tpm-writer.ts";

/** A loadable TPM key at rest: useless without the TPM that made it. */
export interface TpmKeyBlob {
  /** TPMT_PUBLIC. */
  readonly publicArea: Uint8Array;
  /** Content of a TPM2B_PRIVATE, encrypted by the TPM. */
  readonly privateArea: Uint8Array;
}

/**
 * Writes the DER of a `TSS2 PRIVATE KEY` block (draft-woodhouse-cert-best-practice, as tpm2-openssl reads it): a key
 * without authorisation under the P-256 storage key of the owner hierarchy.
 */
export function encodeTpmKey({ publicArea, privateArea }: TpmKeyBlob): Uint8Array {
  return derSequence(
    encodeOid(loadableKey),
    derElement(contextTag(0, "constructed"), derBoolean(true)),
    derInteger(ownerHandle),
    derOctetString(tpmSized(publicArea)),
    derOctetString(tpmSized(privateArea)),
  );
}

/** Parses what {@link encodeTpmKey} writes; throws `attestation-invalid` for every other key. */
export function parseTpmKey(der: Uint8Array): TpmKeyBlob {
  try {
    return readDer(der, { tag: tags.sequence, maxBytes: 4096 }, readKey);
  } catch (cause) {
    if (!isFleetError(cause, "der-invalid")) throw cause;
    throw attestationInvalid("malformed", `malformed TPM key: ${cause.message}`, cause);
  }
}

function readKey(reader: DerReader): TpmKeyBlob {
  if (readOid(reader) !== loadableKey) throw attestationInvalid("malformed", "the TPM key is not of the loadable kind");
  const emptyAuth = reader.enter(contextTag(0, "constructed"));
  const hasNoAuth = readBoolean(emptyAuth);
  emptyAuth.finish();
  const parent = readIntegerBytes(reader).reduce((value, octet) => value * 256 + octet, 0);
  if (!hasNoAuth || parent !== ownerHandle)
    throw attestationInvalid("malformed", "the TPM key has an authorisation value or another parent");
  const sized = (): Uint8Array => readTpm(reader.content(tags.octetString), 2048, (content) => content.sized(2046));
  return { publicArea: sized(), privateArea: sized() };
}

const loadableKey = "2.23.133.10.1.3";
const ownerHandle = 0x40000001;
