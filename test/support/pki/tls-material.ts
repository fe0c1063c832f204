import { pemEncode } from "@fleetcert/shared";
import type { TestCa, TestLeaf, TestPki } from "./test-pki.ts";
import { testPki } from "./test-pki.ts";

/** Certificates for a broker and its clients, all of one PKI and valid now. */
export interface TlsMaterial {
  readonly pki: TestPki;
  /** For `openEmbeddedBroker`. */
  readonly server: { readonly chain: readonly Uint8Array[]; readonly tlsKey: string };
  /** Another server certificate of the same PKI. */
  issueServer(commonName: string): Promise<{ readonly chain: readonly Uint8Array[]; readonly tlsKey: string }>;
  issueClient(commonName: string): Promise<ClientMaterial>;
}

/** A client's certificate and key, in the form node:tls takes. */
export interface ClientMaterial {
  readonly der: Uint8Array;
  readonly tls: { readonly cert: string; readonly key: string };
}

/** Makes a PKI with a server certificate for localhost. */
export async function tlsMaterial(): Promise<TlsMaterial> {
  const pki = await testPki();
  const issueServer = async (commonName: string) => {
    const leaf = await pki.issueLeaf({ commonName, ...validNow(), subjectAlternativeNames: [{ dns: "localhost" }] });
    return { chain: chainOf(leaf, pki.issuing, pki.root), tlsKey: leaf.signer.privatePem };
  };
  return {
    pki,
    server: await issueServer("broker"),
    issueServer,
    async issueClient(commonName) {
      const leaf = await pki.issueLeaf({ commonName, ...validNow() });
      const cert = chainOf(leaf, pki.issuing).map((der) => pemEncode("CERTIFICATE", der));
      return { der: leaf.certificate.der, tls: { cert: cert.join(""), key: leaf.signer.privatePem } };
    },
  };
}

const chainOf = (leaf: TestLeaf, ...authorities: readonly TestCa[]): Uint8Array[] =>
  [leaf, ...authorities].map(({ certificate }) => certificate.der);

function validNow(): { readonly notBefore: number; readonly notAfter: number } {
  return { notBefore: Date.now() - 3_600_000, notAfter: Date.now() + 86_400_000 };
}
