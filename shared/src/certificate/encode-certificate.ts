import { contextTag, DerReader, tags } from "../asn1/der-reader.ts";
import { derTime } from "../asn1/der-time.ts";
import { type DerPart, type DerTree, derTree, encodeTree, sequenceTree } from "../asn1/der-tree.ts";
import { readOctetAlignedBits } from "../asn1/der-values.ts";
import { derBitString, derBoolean, derInteger, derNamedBits, derNull, derSequence } from "../asn1/der-writer.ts";
import { encodeOid } from "../asn1/object-identifier.ts";
import { FleetError } from "../errors.ts";
import { sha256 } from "../key/digest.ts";
import type { KeyAlgorithm, Signer } from "../key/key.ts";
import { signatureAlgorithmOf } from "../key/signature-algorithm.ts";
import type { Instant } from "../time/instant.ts";
import { nameTree } from "./distinguished-name.ts";
import { extensionOids, extensionTree } from "./extension.ts";
import { type ExtendedKeyUsage, extendedKeyUsageOids, type KeyUsage, keyUsages } from "./extension-values.ts";
import { type AlternativeName, alternativeNameTree } from "./general-name.ts";
import type { Serial } from "./serial.ts";

/** What a certificate is to say. The subject key identifier follows from the key. */
export interface CertificateTemplate {
  readonly serial: Serial;
  /** DER Name of the issuer, taken byte for byte from the issuer's certificate. */
  readonly issuer: Uint8Array;
  readonly subject: { readonly commonName: string; readonly organization?: string };
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** DER SubjectPublicKeyInfo of the subject. */
  readonly spki: Uint8Array;
  /** Subject key identifier of the issuer's certificate; wins over `issuerSpki`. */
  readonly authorityKeyId?: Uint8Array;
  /** The issuer's key, when its identifier is the one {@link subjectKeyIdOf} gives. */
  readonly issuerSpki?: Uint8Array;
  /** Algorithm of the key that will sign. */
  readonly signatureAlgorithmOf: KeyAlgorithm;
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLen?: number };
  readonly keyUsage: readonly KeyUsage[];
  readonly extendedKeyUsage?: readonly ExtendedKeyUsage[];
  readonly subjectAlternativeNames?: readonly AlternativeName[];
  /** URIs; each becomes a distribution point of its own. */
  readonly crlDistributionPoints?: readonly string[];
  readonly authorityInfoAccess?: { readonly caIssuers?: readonly string[]; readonly ocsp?: readonly string[] };
  /** For a certificate of an OCSP responder: whoever reads its answers need not ask about it (RFC 6960 §4.2.2.2.1). */
  readonly ocspNoCheck?: boolean;
  /** Subtrees as names without their tree mark; `ip` is `address/mask`, both in full. */
  readonly nameConstraints?: NameConstraintsTemplate;
}

/** Name constraints for a CA certificate. */
export interface NameConstraintsTemplate {
  readonly permitted?: readonly ConstraintName[];
  readonly excluded?: readonly ConstraintName[];
}

/** Base of a subtree: a host or domain, or address octets followed by mask octets. */
export type ConstraintName =
  | { readonly dns: string }
  | { readonly uri: string }
  | { readonly email: string }
  | { readonly ipAndMask: Uint8Array }
  | { readonly directory: Uint8Array };

/** DER TBSCertificate of a template. Throws `der-invalid` for values that cannot be written. */
export function encodeTbsCertificate(template: CertificateTemplate): Uint8Array {
  if (!(template.notBefore < template.notAfter))
    throw new FleetError("certificate-invalid", "the template ends before it begins");
  return encodeTree(
    sequenceTree(
      version3,
      derTree(tags.integer, template.serial.bytes),
      signatureAlgorithmOf(template.signatureAlgorithmOf),
      template.issuer,
      sequenceTree(derTime(template.notBefore), derTime(template.notAfter)),
      nameTree(template.subject),
      template.spki,
      derTree(contextTag(3, "constructed"), sequenceTree(...extensionsOf(template))),
    ),
  );
}

/** Joins to-be-signed bytes, the algorithm of the key that signed and its signature into a certificate or list. */
export function assembleSigned(tbs: Uint8Array, signerAlgorithm: KeyAlgorithm, signature: Uint8Array): Uint8Array {
  return derSequence(tbs, signatureAlgorithmOf(signerAlgorithm), derBitString(signature));
}

/** Encodes, signs and assembles: for roots, CAs and tests. */
export async function signCertificate(template: CertificateTemplate, signer: Signer): Promise<Uint8Array> {
  if (template.signatureAlgorithmOf !== signer.algorithm)
    throw new FleetError(
      "internal",
      `template for a ${template.signatureAlgorithmOf} signer, signer is ${signer.algorithm}`,
    );
  const tbs = encodeTbsCertificate(template);
  return assembleSigned(tbs, signer.algorithm, await signer.sign(tbs));
}

/** Key identifier by RFC 7093 §2 method 1: the leftmost 160 bits of SHA-256 over the key's bit string. */
export function subjectKeyIdOf(spki: Uint8Array): Uint8Array {
  const fields = new DerReader(spki).enter(tags.sequence);
  fields.element(tags.sequence);
  return sha256(readOctetAlignedBits(fields)).subarray(0, 20);
}

function extensionsOf(template: CertificateTemplate): DerTree[] {
  const { basicConstraints, nameConstraints } = template;
  const authorityKeyId = template.authorityKeyId ?? (template.issuerSpki && subjectKeyIdOf(template.issuerSpki));
  const extensions: DerTree[] = [];
  const add = (oid: string, value: DerPart, critical = false): void => {
    extensions.push(extensionTree(oid, { critical, value }));
  };
  const addList = (oid: string, values: readonly DerPart[]): void => {
    if (values.length > 0) add(oid, sequenceTree(...values));
  };
  add(extensionOids.subjectKeyId, derTree(tags.octetString, subjectKeyIdOf(template.spki)));
  if (authorityKeyId)
    add(extensionOids.authorityKeyId, sequenceTree(derTree(contextTag(0, "primitive"), authorityKeyId)));
  if (basicConstraints) add(extensionOids.basicConstraints, basicConstraintsOf(basicConstraints), true);
  add(extensionOids.keyUsage, derNamedBits(template.keyUsage.map((usage) => keyUsages.indexOf(usage))), true);
  addList(extensionOids.extendedKeyUsage, (template.extendedKeyUsage ?? []).map(encodeUsage));
  addList(extensionOids.subjectAltName, (template.subjectAlternativeNames ?? []).map(alternativeNameTree));
  addList(extensionOids.crlDistributionPoints, (template.crlDistributionPoints ?? []).map(distributionPointOf));
  addList(extensionOids.authorityInfoAccess, accessDescriptionsOf(template.authorityInfoAccess));
  if (template.ocspNoCheck) add(extensionOids.ocspNoCheck, derNull());
  if (nameConstraints) add(extensionOids.nameConstraints, constraintsOf(nameConstraints), true);
  return extensions;
}

function basicConstraintsOf({ ca, pathLen }: { readonly ca: boolean; readonly pathLen?: number }): DerTree {
  if (!ca) return sequenceTree();
  return pathLen === undefined ? sequenceTree(derBoolean(true)) : sequenceTree(derBoolean(true), derInteger(pathLen));
}

const encodeUsage = (usage: ExtendedKeyUsage): Uint8Array =>
  encodeOid((extendedKeyUsageOids as Record<string, string>)[usage] ?? usage);

function distributionPointOf(uri: string): DerTree {
  const fullName = derTree(contextTag(0, "constructed"), alternativeNameTree({ uri }));
  return sequenceTree(derTree(contextTag(0, "constructed"), fullName));
}

function accessDescriptionsOf(access: CertificateTemplate["authorityInfoAccess"]): DerTree[] {
  const describe = (method: string) => (uri: string) => sequenceTree(encodeOid(method), alternativeNameTree({ uri }));
  return [
    ...(access?.ocsp ?? []).map(describe("1.3.6.1.5.5.7.48.1")),
    ...(access?.caIssuers ?? []).map(describe("1.3.6.1.5.5.7.48.2")),
  ];
}

function constraintsOf({ permitted = [], excluded = [] }: NameConstraintsTemplate): DerTree {
  const list = (number: number, names: readonly ConstraintName[]): DerTree[] =>
    names.length === 0
      ? []
      : [derTree(contextTag(number, "constructed"), ...names.map((name) => sequenceTree(constraintNameOf(name))))];
  return sequenceTree(...list(0, permitted), ...list(1, excluded));
}

function constraintNameOf(name: ConstraintName): DerTree {
  if ("ipAndMask" in name) return derTree(contextTag(7, "primitive"), name.ipAndMask);
  if ("directory" in name) return derTree(contextTag(4, "constructed"), name.directory);
  if ("uri" in name) return derTree(contextTag(6, "primitive"), name.uri);
  return "dns" in name
    ? derTree(contextTag(2, "primitive"), name.dns)
    : derTree(contextTag(1, "primitive"), name.email);
}

const version3 = derTree(contextTag(0, "constructed"), derInteger(2));
