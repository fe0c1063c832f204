import type { TrustBundle } from "@fleetcert/proto";
import { parseCertificate, spkiSha256 } from "@fleetcert/shared";
import type { CertificateAuthority } from "../ports.ts";

/**
 * The authority under the certificate that the trust bundle in force has for its key: `trust renew` gives it a new one long
 * before the old one ends, and everybody who asks for it from then on gets that.
 */
export function currentAuthority(authority: CertificateAuthority, bundle: () => TrustBundle): CertificateAuthority {
  let known: { readonly bundle: TrustBundle; readonly certificate: Uint8Array } | undefined;
  return {
    id: authority.id,
    chain: authority.chain,
    signer: authority.signer,
    get certificate() {
      const now = bundle();
      if (known?.bundle !== now) known = { bundle: now, certificate: certificateIn(now, authority) };
      return known.certificate;
    },
  };
}

function certificateIn(bundle: TrustBundle, { id, certificate }: CertificateAuthority): Uint8Array {
  return bundle.issuers.find((der) => spkiSha256(parseCertificate(der).spki) === id) ?? certificate;
}
