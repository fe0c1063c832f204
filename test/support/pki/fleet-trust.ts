import {
  type CommandKey,
  type CommandKeyUse,
  encodeTrustBundle,
  payloadTypes,
  signEnvelope,
  type TrustBundle,
} from "@fleetcert/proto";
import {
  type Certificate,
  encodeName,
  type Instant,
  parseCertificate,
  Serial,
  type Signer,
  signCertificate,
  spkiSha256,
} from "@fleetcert/shared";
import { testSigner } from "../keys/test-signer.ts";

/** A CA whose key the test holds. */
export interface TestCa {
  readonly signer: Signer;
  readonly certificate: Certificate;
  /** SPKI SHA-256, the issuer's id. */
  readonly id: string;
}

/** The fleet's name in all tests of trust. */
export const testFleet = "plant-7";

/** Noon of 15 June 2026, a present far from every edge. */
export const testNow: Instant = Date.UTC(2026, 5, 15, 12);

/** A self-signed root. */
export async function aRoot(commonName = "Root"): Promise<TestCa> {
  const signer = testSigner("P-256");
  return caFrom(signer, { commonName, issuer: undefined });
}

/** An issuing CA below a root. */
export async function anIssuer(root: TestCa, commonName = "Issuing"): Promise<TestCa> {
  return caFrom(testSigner("P-256"), { commonName, issuer: root });
}

/** A command key as bundles list it, and its signer. */
export function aCommandKey(
  use: CommandKeyUse,
  options: { readonly issuers?: readonly string[]; readonly notBefore?: Instant; readonly notAfter?: Instant } = {},
): { readonly signer: Signer; readonly entry: CommandKey } {
  const signer = testSigner("P-256");
  const { issuers = [], notBefore = testNow - 10 * day, notAfter = testNow + 80 * day } = options;
  return { signer, entry: { spki: signer.spki, keyId: spkiSha256(signer.spki), use, issuers, notBefore, notAfter } };
}

/** A bundle with only what a test cares about given. */
export function aBundle(changes: Partial<TrustBundle> & { readonly roots: readonly Uint8Array[] }): TrustBundle {
  return {
    fleet: testFleet,
    era: 1,
    version: 1,
    issuers: [],
    commandKeys: [],
    issuedAt: testNow - day,
    expires: testNow + 365 * day,
    rootLists: [],
    bridges: [],
    ...changes,
  };
}

/** The envelope of a bundle, signed by the roots given. */
export function signedBundle(bundle: TrustBundle, ...roots: TestCa[]): Promise<Uint8Array> {
  return signEnvelope(payloadTypes.trustBundle, encodeTrustBundle(bundle), ...roots.map(({ signer }) => signer));
}

async function caFrom(
  signer: Signer,
  { commonName, issuer }: { readonly commonName: string; readonly issuer: TestCa | undefined },
): Promise<TestCa> {
  const issuing = issuer?.signer ?? signer;
  const draft = {
    serial: Serial.make({ shard: 0, index: 0, random13: new Uint8Array(13).fill(7) }),
    subject: { commonName },
    notBefore: testNow - 365 * day,
    notAfter: testNow + 3650 * day,
    spki: signer.spki,
    issuerSpki: issuing.spki,
    signatureAlgorithmOf: issuing.algorithm,
    basicConstraints: { ca: true },
    keyUsage: ["keyCertSign", "cRLSign"] as const,
  };
  const name = issuer?.certificate.subject.der ?? encodeName({ commonName });
  const der = await signCertificate({ ...draft, issuer: name }, issuing);
  return { signer, certificate: parseCertificate(der), id: spkiSha256(signer.spki) };
}

const day = 86_400_000;
