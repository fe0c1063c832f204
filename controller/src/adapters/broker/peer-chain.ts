import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { FleetError } from "@fleetcert/shared";

/**
 * The certificates a TLS client presented, raw DER in its order, its own first; empty when it presented none. OpenSSL
 * has checked that it holds the key of the first, and nothing else that counts.
 *
 * @throws FleetError `certificate-invalid` when there are more, or larger ones, than allowed
 */
export function peerChain(
  socket: TLSSocket,
  limits: { readonly certificates: number; readonly certificateBytes: number },
): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let next: X509Certificate | undefined = socket.getPeerX509Certificate();
  while (next !== undefined) {
    const { raw } = next;
    if (chain.length === limits.certificates) {
      throw new FleetError("certificate-invalid", `more than ${limits.certificates} certificates were presented`);
    }
    if (raw.length > limits.certificateBytes) {
      throw new FleetError(
        "certificate-invalid",
        `a certificate of ${raw.length} octets was presented, limit ${limits.certificateBytes}`,
      );
    }
    chain.push(raw);
    next = next.issuerCertificate;
  }
  return chain;
}
