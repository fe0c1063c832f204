import type { DetailedPeerCertificate, TLSSocket } from "node:tls";

/** The certificates a TLS peer has presented, raw DER, leaf first; empty when it presented none. At most eight. */
export function peerChain(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < maxChain) {
    chain.push(Uint8Array.from(certificate.raw));
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  return chain;
}

const maxChain = 8;
