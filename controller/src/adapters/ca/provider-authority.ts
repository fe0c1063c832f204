import { FleetError, type KeyProvider, parseCertificate, spkiSha256 } from "@fleetcert/shared";
import type { CertificateAuthority } from "../../ports.ts";

/**
 * The certificate authority whose key is in a key provider. Throws `key-not-found`, or `trust-invalid` when the key is not
 * that of the certificate.
 */
export async function openProviderAuthority(options: {
  readonly keys: KeyProvider;
  readonly keyRef: string;
  /** DER of the CA's own certificate. */
  readonly certificate: Uint8Array;
  /** DER from its issuer to the root. */
  readonly chain: readonly Uint8Array[];
}): Promise<CertificateAuthority> {
  const { certificate, chain } = options;
  const signer = await options.keys.open(options.keyRef);
  const id = spkiSha256(parseCertificate(certificate).spki);
  if (signer.id !== id) {
    throw new FleetError("trust-invalid", "the issuing key does not belong to the issuing CA's certificate", {
      hint: "put ca/ and keys/ back from the same backup",
    });
  }
  return { id, certificate, chain, signer };
}
