/** A certificate as node:tls shows it of a peer: with the one it was presented under. */
export interface PeerCertificate {
  readonly raw?: Uint8Array;
  readonly issuerCertificate?: PeerCertificate;
}

/**
 * The certificates a TLS peer has presented, raw DER, leaf first, judged by nobody yet; empty when it presented none. A self-signed
 * certificate names itself as its issuer and ends the chain; so does the tenth.
 */
export function presentedChain(leaf: PeerCertificate | undefined): Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<PeerCertificate>();
  let certificate = leaf;
  while (certificate?.raw !== undefined && !seen.has(certificate) && chain.length < maxChain) {
    seen.add(certificate);
    chain.push(new Uint8Array(certificate.raw));
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

const maxChain = 10;
