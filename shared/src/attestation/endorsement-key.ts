import { equalBytes } from "../asn1/der-writer.ts";
import { type Certificate, parseCertificate } from "../certificate/certificate.ts";
import { sha256Hex } from "../key/digest.ts";
import { attestationInvalid } from "./attestation-failure.ts";
import { requireAttributes } from "./check-attributes.ts";
import { parsePublicArea, type TpmPublicArea } from "./public-area.ts";
import { spkiOfPublicArea } from "./public-area-spki.ts";

/** An endorsement key (EK) whose properties were checked, and what its certificate says of the TPM. */
export interface EndorsementKey {
  readonly publicArea: TpmPublicArea;
  /** SHA-256 of the SPKI, lower-case hex: what an allow-list names. */
  readonly hash: string;
  readonly certificate?: Certificate;
  readonly identity?: TpmIdentity;
}

/** What an EK certificate says of its TPM (TCG EK Credential Profile §3.2.9), as text; empty where it says nothing. */
export interface TpmIdentity {
  /** Four letters of the TCG vendor registry, such as `IBM`, or the raw text. */
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
}

/**
 * Parses an EK's TPMT_PUBLIC and, when there is one, its certificate, and insists that it is a restricted storage key of
 * one TPM and that the certificate is for it. Who issued the certificate is for `validatePath` with purpose `any`.
 * Throws `attestation-invalid`, or `certificate-invalid`.
 */
export function requireEndorsementKey(publicArea: Uint8Array, certificateDer?: Uint8Array): EndorsementKey {
  const area = parsePublicArea(publicArea);
  requireAttributes(area, {
    set: ["restricted", "decrypt", "fixedTpm", "fixedParent", "sensitiveDataOrigin"],
    clear: ["sign", "encryptedDuplication"],
    failure: "endorsement-key",
    what: "the endorsement key",
  });
  if (area.symmetric === undefined)
    throw attestationInvalid("endorsement-key", "the endorsement key is no storage key");
  const spki = spkiOfPublicArea(area);
  const key = { publicArea: area, hash: sha256Hex(spki) };
  if (certificateDer === undefined) return key;
  const certificate = parseCertificate(certificateDer);
  if (!equalBytes(certificate.spki, spki))
    throw attestationInvalid("endorsement-key", "the EK certificate is for another key");
  if (certificate.isCa) throw attestationInvalid("endorsement-key", "the EK certificate is one of a CA");
  return { ...key, certificate, identity: tpmIdentityOf(certificate) };
}

/** Manufacturer, model and firmware from the directory name in an EK certificate's SubjectAltName. */
export function tpmIdentityOf({ subjectAlternativeNames }: Certificate): TpmIdentity {
  const attributes = subjectAlternativeNames.directoryNames.flatMap(({ rdns }) => rdns.flat());
  const find = (oid: string): string => printable(attributes.find((attribute) => attribute.oid === oid)?.value ?? "");
  return { manufacturer: vendorText(find(manufacturerOid)), model: find(modelOid), firmware: find(firmwareOid) };
}

/** `id:49424D00` stands for the four octets of a vendor's name. */
function vendorText(text: string): string {
  const hex = /^id:([0-9a-fA-F]{8})$/.exec(text)?.[1];
  if (hex === undefined) return text;
  const letters = Buffer.from(hex, "hex")
    .toString("latin1")
    .replace(/[\0 ]+$/, "");
  return /^[ -~]+$/.test(letters) ? letters : text;
}

/** Names come from a certificate that may be anybody's: no control characters, bounded. */
const printable = (text: string): string => text.replace(/[^ -~]/g, "?").slice(0, 64);

const manufacturerOid = "2.23.133.2.1";
const modelOid = "2.23.133.2.2";
const firmwareOid = "2.23.133.2.3";
