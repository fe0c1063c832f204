import { contextTag } from "../asn1/der-reader.ts";
import { derTime } from "../asn1/der-time.ts";
import { concatBytes, derBoolean, derElement, derInteger, derSequence } from "../asn1/der-writer.ts";
import { encodeExtension, extensionOids } from "../certificate/extension.ts";
import { encodeAlternativeName } from "../certificate/general-name.ts";
import type { Serial } from "../certificate/serial.ts";
import { FleetError } from "../errors.ts";
import type { KeyAlgorithm } from "../key/key.ts";
import { signatureAlgorithmOf } from "../key/signature-algorithm.ts";
import type { Instant } from "../time/instant.ts";
import { CrlEntryBuffer } from "./entry-buffer.ts";
import type { ReasonCode } from "./reason-code.ts";

/** One revoked certificate of a list to be made. */
export interface CrlEntryTemplate {
  readonly serial: Serial;
  readonly revokedAt: Instant;
  /** `unspecified` is left out of the entry, as RFC 5280 §5.3.1 asks. */
  readonly reason?: ReasonCode;
  readonly invalidityDate?: Instant;
}

/** Which certificates a list speaks about (RFC 5280 §5.2.5). */
export interface IssuingDistributionPointTemplate {
  readonly uris?: readonly string[];
  readonly onlyContainsUserCerts?: boolean;
  readonly onlyContainsCaCerts?: boolean;
}

/** What a revocation list is to say. */
export interface CrlTemplate {
  /** DER Name of the issuer, byte for byte the subject of its certificate. */
  readonly issuer: Uint8Array;
  /** Subject key identifier of the issuer's certificate. */
  readonly authorityKeyId: Uint8Array;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant;
  readonly crlNumber: number | bigint;
  /** In order; a buffer is used up. */
  readonly entries: Iterable<CrlEntryTemplate> | CrlEntryBuffer;
  readonly issuingDistributionPoint?: IssuingDistributionPointTemplate;
  /** Number of the complete list a delta is relative to; absent for a complete list. */
  readonly deltaBase?: number | bigint;
  /** Where a complete list's newest delta is served (RFC 5280 §5.2.6). */
  readonly freshestCrl?: string;
  /** Algorithm of the key that will sign. */
  readonly signatureAlgorithmOf: KeyAlgorithm;
}

/** DER TBSCertList of a template, made around its entries where they lie. */
export function encodeTbsCrl(template: CrlTemplate): Uint8Array {
  if (!(template.thisUpdate < template.nextUpdate))
    throw new FleetError("crl-invalid", "the list's nextUpdate is not after its thisUpdate");
  const head = concatBytes(
    derInteger(1),
    signatureAlgorithmOf(template.signatureAlgorithmOf),
    template.issuer,
    derTime(template.thisUpdate),
    derTime(template.nextUpdate),
  );
  const tail = derElement(contextTag(0, "constructed"), derSequence(...encodeExtensions(template)));
  return bufferOf(template.entries).enclose(head, tail);
}

function bufferOf(entries: CrlTemplate["entries"]): CrlEntryBuffer {
  if (entries instanceof CrlEntryBuffer) return entries;
  const buffer = new CrlEntryBuffer(Array.isArray(entries) ? entries.length : undefined);
  for (const entry of entries) buffer.add(entry);
  return buffer;
}

function encodeExtensions(template: CrlTemplate): Uint8Array[] {
  const { authorityKeyId, crlNumber, deltaBase, freshestCrl, issuingDistributionPoint } = template;
  const extension = (oid: string, value: Uint8Array, critical: boolean): Uint8Array =>
    encodeExtension(oid, { critical, value });
  return [
    extension(extensionOids.authorityKeyId, derSequence(derElement(contextTag(0, "primitive"), authorityKeyId)), false),
    extension(extensionOids.crlNumber, derInteger(crlNumber), false),
    ...(deltaBase === undefined ? [] : [extension(extensionOids.deltaCrlIndicator, derInteger(deltaBase), true)]),
    ...(issuingDistributionPoint === undefined
      ? []
      : [extension(extensionOids.issuingDistributionPoint, encodeScope(issuingDistributionPoint), true)]),
    ...(freshestCrl === undefined ? [] : [extension(extensionOids.freshestCrl, encodePoint(freshestCrl), false)]),
  ];
}

/** CRLDistributionPoints of one point with one name. */
function encodePoint(uri: string): Uint8Array {
  const fullName = derElement(contextTag(0, "constructed"), encodeAlternativeName({ uri }));
  return derSequence(derSequence(derElement(contextTag(0, "constructed"), fullName)));
}

function encodeScope({
  uris = [],
  onlyContainsUserCerts,
  onlyContainsCaCerts,
}: IssuingDistributionPointTemplate): Uint8Array {
  if (onlyContainsUserCerts && onlyContainsCaCerts)
    throw new FleetError("crl-invalid", "a list cannot hold only user and only CA certificates");
  const flag = (number: number): Uint8Array =>
    derElement(contextTag(number, "primitive"), derBoolean(true).subarray(2));
  const fullName = uris.map((uri) => encodeAlternativeName({ uri }));
  const parts = [
    ...(uris.length > 0
      ? [derElement(contextTag(0, "constructed"), derElement(contextTag(0, "constructed"), ...fullName))]
      : []),
    ...(onlyContainsUserCerts ? [flag(1)] : []),
    ...(onlyContainsCaCerts ? [flag(2)] : []),
  ];
  // RFC 5280 §5.2.5: the extension must not be an empty sequence.
  if (parts.length === 0) throw new FleetError("crl-invalid", "an issuing distribution point that says nothing");
  return derSequence(...parts);
}
