import { type KeyAlgorithm, type ProviderKey, pemEncode, type Signer } from "@fleetcert/shared";
import { testSigner } from "../keys/test-signer.ts";
import type { LeafWishes, TestPki } from "./test-pki.ts";

/** One side's key and certificate as PEM, for node:tls. */
export interface TlsIdentity {
  readonly key: string;
  /** The leaf and the issuing CA. */
  readonly cert: string;
}

/** An identity whose key is in a key provider, valid by the wall clock. */
export async function providerIdentity(pki: TestPki, key: ProviderKey, commonName: string): Promise<TlsIdentity> {
  return { key: key.tlsKey(), cert: await certificateChain(pki, key, { commonName }) };
}

/** An identity with a fresh key in memory, P-256 unless said otherwise, valid by the wall clock. */
export async function softwareIdentity(
  pki: TestPki,
  commonName: string,
  { algorithm = "P-256", ...wishes }: LeafWishes & { readonly algorithm?: KeyAlgorithm } = {},
): Promise<TlsIdentity> {
  const signer = testSigner(algorithm);
  return { key: signer.privatePem, cert: await certificateChain(pki, signer, { ...wishes, commonName }) };
}

/** PEM of a leaf for the signer's public key, followed by its issuer. */
export async function certificateChain(pki: TestPki, signer: Signer, wishes: LeafWishes): Promise<string> {
  const subject = {
    algorithm: signer.algorithm,
    spki: signer.spki,
    sign: (message: Uint8Array) => signer.sign(message),
    privatePem: "",
  };
  const now = Date.now();
  const { certificate } = await pki.issueLeaf({
    notBefore: now - 3_600_000,
    notAfter: now + 3_600_000,
    ...wishes,
    signer: subject,
  });
  return pemEncode("CERTIFICATE", certificate.der) + pemEncode("CERTIFICATE", pki.issuing.certificate.der);
}

/** PEM of the root, for `ca`. */
export const rootPem = (pki: TestPki): string => pemEncode("CERTIFICATE", pki.root.certificate.der);
