import type { TrustBundle } from "@fleetcert/proto";
import { parseCertificate, spkiSha256 } from "@fleetcert/shared";
import type { CertificateAuthority } from "../ports.ts";
import { chainToRoots, isBy } from "./create-root.ts";

/**
 * The authority under the certificate that the trust bundle in force has for its key: `trust renew` gives it a new one long
 * before the old one ends, and everybody who asks for it from then on gets that. Its chain leads over the bundle's bridges to
 * the roots of before, so that who has been away for a change of root still knows it.
 */
export function currentAuthority(
  authority: CertificateAuthority,
  {
    bundle,
    roots,
  }: {
    readonly bundle: () => TrustBundle;
    /** Every root the fleet has had, DER. */
    readonly roots: () => readonly Uint8Array[];
  },
): CertificateAuthority {
  let known: (Pick<CertificateAuthority, "certificate" | "chain"> & { readonly bundle: TrustBundle }) | undefined;
  const present = () => {
    const now = bundle();
    if (known?.bundle !== now) {
      const certificate = certificateIn(now, authority);
      known = { bundle: now, certificate, chain: chainOf(certificate, now.bridges, roots()) ?? authority.chain };
    }
    return known;
  };
  return {
    id: authority.id,
    signer: authority.signer,
    get certificate() {
      return present().certificate;
    },
    get chain() {
      return present().chain;
    },
  };
}

function certificateIn(bundle: TrustBundle, { id, certificate }: CertificateAuthority): Uint8Array {
  return bundle.issuers.find((der) => spkiSha256(parseCertificate(der).spki) === id) ?? certificate;
}

function chainOf(
  certificate: Uint8Array,
  bridges: TrustBundle["bridges"],
  elders: readonly Uint8Array[],
): Uint8Array[] | undefined {
  const issuer = parseCertificate(certificate);
  const root = elders.find((der) => isBy(issuer, parseCertificate(der)));
  return root && chainToRoots(root, { bridges, elders });
}
