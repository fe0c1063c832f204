import type { Certificate } from "../certificate/certificate.ts";
import { spkiSha256 } from "../key/digest.ts";

/**
 * Remembers which CA certificates were found to be signed by which key, so that whoever authenticates many peers below
 * the same CA checks the CA's own signature once: under a P-384 root that is two thirds of a validation.
 *
 * It keeps signatures that hold, nothing else: dates, names and revocation are judged anew every time. Only CA
 * certificates are kept, so peers cannot push each other out.
 */
export class VerifiedCas {
  readonly #known = new Set<string>();

  /** Whether the signature was seen to hold. */
  has(certificate: Certificate, issuer: Certificate): boolean {
    return certificate.isCa && this.#known.has(keyOf(certificate, issuer));
  }

  /** Notes a signature that holds; the oldest is forgotten beyond 256. */
  add(certificate: Certificate, issuer: Certificate): void {
    if (!certificate.isCa) return;
    this.#known.add(keyOf(certificate, issuer));
    const [oldest] = this.#known;
    if (this.#known.size > 256 && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** The certificate's hash covers what is signed, the algorithm and the signature; the key is the rest of the question. */
const keyOf = (certificate: Certificate, issuer: Certificate): string =>
  `${certificate.sha256} ${spkiSha256(issuer.spki)}`;
