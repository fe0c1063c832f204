import {
  type AlternativeName,
  type CertificateTemplate,
  type ConstraintName,
  isFleetError,
  type PathPurpose,
  pathFailureOf,
  type Serial,
  validatePath,
} from "@fleetcert/shared";
import fc from "fast-check";
import { expect, it } from "vitest";
import { testSigner } from "../support/keys/test-signer.ts";
import {
  type LeafWishes,
  type TestCa,
  type TestLeaf,
  type TestPki,
  testNow,
  testPki,
} from "../support/pki/test-pki.ts";
import { type OpensslPath, opensslVerify, opensslVersion } from "../support/programs/openssl.ts";

/** One thing done to an otherwise good chain root → issuing → sub → leaf. */
interface Scenario {
  readonly purpose: PathPurpose;
  readonly leaf: LeafWishes;
  readonly sub: LeafWishes;
  readonly at: number;
  readonly deliver: "all" | "no sub" | "no issuing" | "other root" | "shuffled";
  readonly flip?: { readonly which: "leaf" | "sub"; readonly position: number; readonly bit: number };
  readonly revoke:
    | "nothing asked"
    | "nobody"
    | "leaf"
    | "sub"
    | "list missing"
    | "list expired"
    | "list of another key";
}

const runs = process.env["FLEETCERT_LONG"] === "1" ? 5000 : 400;

it(`never accepts a path that OpenSSL rejects (${runs} generated chains, ${opensslVersion() ?? "OpenSSL is missing"})`, async () => {
  const pki = await testPki();
  const other = await testPki();
  const subSigner = testSigner("P-256");
  const leafSigner = testSigner("P-256");
  const verdicts = { "both accept": 0, "both reject": 0, "only we reject": new Map<string, number>() };

  await fc.assert(
    fc.asyncProperty(scenarios(), async (scenario) => {
      const sub = await pki.issueCa({ commonName: "test sub", signer: subSigner, ...scenario.sub });
      const leaf = await pki.issueLeaf({ issuedBy: sub, signer: leafSigner, ...scenario.leaf });
      const question = await questionOf(scenario, { pki, other, sub, leaf });
      const failure = judge(question);
      const openssl = opensslVerify(question);
      if (failure === undefined) expect(openssl.output).toMatch(/: OK$/m);
      if (failure === undefined) verdicts["both accept"]++;
      else if (!openssl.isAccepted) verdicts["both reject"]++;
      else verdicts["only we reject"].set(failure, (verdicts["only we reject"].get(failure) ?? 0) + 1);
    }),
    { numRuns: runs },
  );
  process.stdout.write(
    `OpenSSL paths: ${runs} chains, both accept ${verdicts["both accept"]}, both reject ${verdicts["both reject"]}, ` +
      `only we reject ${JSON.stringify(Object.fromEntries(verdicts["only we reject"]))}, only we accept 0\n`,
  );
  expect(verdicts["both accept"]).toBeGreaterThan(runs / 20);
  expect(verdicts["both reject"]).toBeGreaterThan(runs / 20);
}, 600_000);

function judge(question: OpensslPath): string | undefined {
  const { crls, ...rest } = question;
  try {
    validatePath({ ...rest, ...(crls === undefined ? {} : { crls: { lists: crls, requireFor: "chain" as const } }) });
    return undefined;
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return pathFailureOf(error) ?? error.code;
  }
}

async function questionOf(
  { purpose, at, deliver, flip, revoke }: Scenario,
  {
    pki,
    other,
    sub,
    leaf,
  }: { readonly pki: TestPki; readonly other: TestPki; readonly sub: TestCa; readonly leaf: TestLeaf },
): Promise<OpensslPath> {
  const flipped = (which: "leaf" | "sub", der: Uint8Array): Uint8Array =>
    flip?.which === which ? flipBit(der, flip) : der;
  const subDer = flipped("sub", sub.certificate.der);
  const issuingDer = pki.issuing.certificate.der;
  const intermediates = {
    all: [subDer, issuingDer],
    shuffled: [other.issuing.certificate.der, issuingDer, subDer],
    "no sub": [issuingDer],
    "no issuing": [subDer],
    "other root": [subDer, issuingDer],
  }[deliver];
  const crls = await listsOf(revoke, { pki, sub, leaf });
  return {
    leaf: flipped("leaf", leaf.certificate.der),
    intermediates,
    roots: [deliver === "other root" ? other.root.certificate.der : pki.root.certificate.der],
    at,
    purpose,
    ...(crls === undefined ? {} : { crls }),
  };
}

async function listsOf(
  revoke: Scenario["revoke"],
  { pki, sub, leaf }: { readonly pki: TestPki; readonly sub: TestCa; readonly leaf: TestLeaf },
): Promise<Uint8Array[] | undefined> {
  if (revoke === "nothing asked") return undefined;
  const entry = (serial: Serial) => ({ serial, revokedAt: testNow - 7_200_000, reason: "keyCompromise" as const });
  const ofRoot = await pki.issueCrl({ issuedBy: pki.root });
  const ofIssuing = await pki.issueCrl(revoke === "sub" ? { entries: [entry(sub.certificate.serial)] } : {});
  if (revoke === "list missing") return [ofRoot, ofIssuing];
  const wishes = revoke === "list expired" ? { thisUpdate: testNow - 9e8, nextUpdate: testNow - 8e8 } : {};
  const issuedBy = revoke === "list of another key" ? { ...sub, signer: testSigner("P-256") } : sub;
  const entries = revoke === "leaf" ? [entry(leaf.certificate.serial)] : [];
  return [ofRoot, ofIssuing, await pki.issueCrl({ issuedBy, entries, ...wishes })];
}

function flipBit(der: Uint8Array, { position, bit }: { readonly position: number; readonly bit: number }): Uint8Array {
  const copy = Uint8Array.from(der);
  const at = position % copy.length;
  copy[at] = (copy[at] as number) ^ (1 << bit);
  return copy;
}

function scenarios(): fc.Arbitrary<Scenario> {
  const oneOf = <T>(usual: T, ...rare: T[]): fc.Arbitrary<T> =>
    fc.oneof({ weight: 14, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...rare) });
  const flip = fc.record({
    which: fc.constantFrom("leaf" as const, "sub" as const),
    position: fc.nat(1000),
    bit: fc.nat(7),
  });
  return fc
    .record({
      purpose: oneOf<PathPurpose>("clientAuth", "serverAuth", "any"),
      at: oneOf(testNow, testNow + 1e11, testNow - 1e11, leafEnd - 1000, leafEnd + 1000, testNow - 3_600_000),
      deliver: oneOf<Scenario["deliver"]>("all", "no sub", "no issuing", "other root", "shuffled"),
      revoke: oneOf<Scenario["revoke"]>(
        "nothing asked",
        ...(["nobody", "leaf", "sub", "list missing", "list expired", "list of another key"] as const),
      ),
      leaf: leafWishes(oneOf),
      sub: subWishes(oneOf),
      flip: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: flip }),
    })
    .map(({ flip: chosen, ...rest }) => (chosen === undefined ? rest : { ...rest, flip: chosen }));
}

/** OpenSSL refuses the second of notAfter itself, which RFC 5280 §4.1.2.5 includes: the one known difference, left out. */
const leafEnd = testNow + 90 * 86_400_000;

type OneOf = <T>(usual: T, ...rare: T[]) => fc.Arbitrary<T>;

/** Only what differs from a good leaf; the names move in and out of the constraints of {@link subWishes}. */
function leafWishes(oneOf: OneOf): fc.Arbitrary<LeafWishes> {
  return fc
    .record({
      keyUsage: oneOf<CertificateTemplate["keyUsage"]>(
        ["digitalSignature"],
        ["keyEncipherment"],
        ["keyCertSign"],
        ["digitalSignature", "keyCertSign"],
      ),
      extendedKeyUsage: oneOf<readonly string[]>(
        ["clientAuth", "serverAuth"],
        ["clientAuth"],
        ["serverAuth"],
        [],
        ["any"],
        ["codeSigning"],
      ),
      basicConstraints: oneOf<{ ca: boolean }>({ ca: false }, { ca: true }),
      subjectAlternativeNames: names,
      commonName: oneOf("device-1", "host.example.com", "host.other.example"),
    })
    .chain((wishes) => oneOf<LeafWishes>(wishes, { ...wishes, authorityKeyId: new Uint8Array(20) }));
}

function subWishes(oneOf: OneOf): fc.Arbitrary<LeafWishes> {
  const constraints = fc.option(
    fc.record({
      permitted: fc.array(constraintName, { maxLength: 2 }),
      excluded: fc.array(constraintName, { maxLength: 2 }),
    }),
    { nil: undefined, freq: 2 },
  );
  return fc
    .record({
      keyUsage: oneOf<CertificateTemplate["keyUsage"]>(
        ["keyCertSign", "cRLSign"],
        ["keyCertSign"],
        ["cRLSign"],
        ["digitalSignature"],
      ),
      extendedKeyUsage: oneOf<readonly string[]>([], ["clientAuth", "serverAuth"], ["serverAuth"], ["any"]),
      basicConstraints: oneOf<{ ca: boolean; pathLen?: number }>({ ca: true, pathLen: 0 }, { ca: true }, { ca: false }),
      notAfter: oneOf(Date.UTC(2035, 0, 1), testNow - 1000),
      nameConstraints: constraints,
    })
    .map(({ nameConstraints, ...rest }) => {
      const isSaid =
        nameConstraints !== undefined && nameConstraints.permitted.length + nameConstraints.excluded.length > 0;
      return isSaid ? { ...rest, nameConstraints } : rest;
    });
}

const hosts = ["example.com", "host.example.com", "a.host.example.com", "other.example", "*.example.com"] as const;

const names: fc.Arbitrary<AlternativeName[]> = fc.array(
  fc.oneof(
    fc.constantFrom(...hosts).map((dns) => ({ dns })),
    fc.constantFrom("10.0.0.1", "10.1.0.1", "2001:db8::1").map((ip) => ({ ip })),
    fc.constantFrom("me@example.com", "me@host.example.com", "you@other.example").map((email) => ({ email })),
    fc
      .constantFrom("urn:fleetcert:test:device:device-1", "https://host.example.com/x", "https://other.example/")
      .map((uri) => ({ uri })),
  ),
  { maxLength: 3 },
);

const constraintName: fc.Arbitrary<ConstraintName> = fc.oneof(
  fc.constantFrom("example.com", "host.example.com", "other.example", "").map((dns) => ({ dns })),
  fc.constantFrom("example.com", ".example.com", "me@example.com").map((email) => ({ email })),
  fc.constantFrom("host.example.com", ".example.com").map((uri) => ({ uri })),
  fc
    .constantFrom([10, 0, 0, 0, 255, 255, 0, 0], [10, 0, 0, 0, 255, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0])
    .map((octets) => ({ ipAndMask: Uint8Array.from(octets) })),
);
