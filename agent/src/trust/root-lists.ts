import type { TrustBundle } from "@fleetcert/proto";
import { type CertificateRevocationList, isFleetError, parseCertificate, parseCrl, verifyCrl } from "@fleetcert/shared";
import type { Log } from "../ports.ts";

/**
 * The roots' own lists of a bundle, each verified against its root. One that is not its root's is left out and logged: the
 * bundle itself is signed, and a device is not to lose its trust because of a list.
 */
export function rootListsOf(bundle: TrustBundle | undefined, log: Log): readonly CertificateRevocationList[] {
  const roots = (bundle?.roots ?? []).map((der) => parseCertificate(der));
  return (bundle?.rootLists ?? []).flatMap((der) => {
    try {
      const crl = parseCrl(der);
      const issuer = roots.find(({ subject }) => subject.equals(crl.issuer));
      if (issuer === undefined) return [];
      verifyCrl({ crl, issuer });
      return [crl];
    } catch (error) {
      if (!isFleetError(error, "crl-invalid", "revocation-invalid", "signature-invalid")) throw error;
      log.warn({ error, code: error.code }, "the list of a root is refused");
      return [];
    }
  });
}
