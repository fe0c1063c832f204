import { openTpmAttestor, type TpmKeysConfig } from "@fleetcert/hw";
import { type Instant, pemEncode, requireEndorsementKey, spkiOfPublicArea } from "@fleetcert/shared";

/** A TPM's endorsement key as people and allow-lists name it. */
export interface EndorsementKeyView {
  /** SHA-256 of the SPKI, lower-case hex. */
  readonly sha256: string;
  readonly algorithm: string;
  readonly publicKeyPem: string;
  /** Undefined where the maker has put none into the TPM. */
  readonly certificate:
    | {
        readonly sha256: string;
        readonly serial: string;
        readonly issuer: string;
        readonly notBefore: Instant;
        readonly notAfter: Instant;
        readonly manufacturer: string;
        readonly model: string;
        readonly firmware: string;
        readonly pem: string;
      }
    | undefined;
}

/** Reads the endorsement key that an enrolment would show. Rejects as the key store does, or with `attestation-invalid`. */
export async function readEndorsementKey(settings: TpmKeysConfig): Promise<EndorsementKeyView> {
  const attestor = await openTpmAttestor(settings);
  try {
    const shown = await attestor.identify();
    const { hash, publicArea, certificate, identity } = requireEndorsementKey(
      shown.endorsementKey,
      shown.endorsementCertificate,
    );
    const { key } = publicArea;
    return {
      sha256: hash,
      algorithm: key.type === "rsa" ? `RSA-${key.bits}` : key.curve,
      publicKeyPem: pemEncode("PUBLIC KEY", spkiOfPublicArea(publicArea)),
      certificate: certificate && {
        sha256: certificate.sha256,
        serial: certificate.serial.hex,
        issuer: certificate.issuer.text,
        notBefore: certificate.notBefore,
        notAfter: certificate.notAfter,
        ...{ manufacturer: "", model: "", firmware: "", ...identity },
        pem: pemEncode("CERTIFICATE", certificate.der),
      },
    };
  } finally {
    await attestor.close();
  }
}
