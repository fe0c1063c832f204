import { createPublicKey, hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ecdsaSignatureToRaw, isFleetError, type KeyAlgorithm } from "@fleetcert/shared";
import { afterAll, expect, it } from "vitest";
import { ck } from "../../hw/src/pkcs11/constants.ts";
import { type Cryptoki, type Handle, loadCryptoki } from "../../hw/src/pkcs11/cryptoki.ts";
import { requireToken } from "../../hw/src/pkcs11/find-token.ts";
import { findKeyKind, findRsaSize, type KeyKind } from "../../hw/src/pkcs11/key-kind.ts";
import { digestSignature } from "../../hw/src/pkcs11/sign-with-token.ts";
import { resultName } from "../../hw/src/pkcs11/token-error.ts";
import { softHsmPart, startSoftHsm } from "../support/keys/softhsm.ts";
import { describeWith } from "../support/programs/optional-part.ts";
import { VectorTally, vectorSuite } from "./vector-suite.ts";

interface Group {
  readonly type: "EddsaVerify" | "EcdsaVerify" | "EcdsaP1363Verify" | "RsassaPkcs1Verify" | "RsassaPssVerify";
  readonly sha?: "SHA-256" | "SHA-384";
  readonly sLen?: number;
  readonly publicKeyDer: string;
  readonly tests: readonly {
    readonly tcId: number;
    readonly msg: string;
    readonly sig: string;
    readonly result: "valid" | "invalid" | "acceptable";
  }[];
}

/** What a token is asked for here is what it is asked for when it signs: the same mechanisms over the same input. */
describeWith([softHsmPart], "a token, asked to verify", () => {
  vectorSuite({ name: "Wycheproof through C_Verify", source: "wycheproof", count: 2565 }, (folder) => {
    const hsm = startSoftHsm();
    const { serial } = hsm.createToken();
    const cryptoki = loadCryptoki(hsm.modulePath);
    const session = cryptoki.C_OpenSession(requireToken(cryptoki, { serial }).slot, ck.CKF_SERIAL_SESSION);
    afterAll(() => {
      cryptoki.C_CloseSession(session);
      hsm.remove();
    });
    const tally = new VectorTally();
    for (const file of files) {
      const { testGroups }: { testGroups: Group[] } = JSON.parse(
        readFileSync(join(folder, `${file}_test.json`), "utf8"),
      );
      for (const group of testGroups) runGroup(group, { file, tally, cryptoki, session });
    }
    tally.print("Wycheproof through C_Verify of SoftHSM2");

    it("reads every vector of the kinds of keys it makes", () => {
      expect(tally.read).toBe(2565);
      expect(tally.accepted.length).toBeGreaterThan(400);
    });

    it("accepts no invalid signature", () => {
      expect(tally.falseAccepts).toEqual([]);
    });

    it("rejects no valid signature", () => {
      expect(tally.falseRejects).toEqual([]);
    });
  });
});

interface Bench {
  readonly file: string;
  readonly tally: VectorTally;
  readonly cryptoki: Cryptoki;
  readonly session: Handle;
}

function runGroup(group: Group, { file, tally, cryptoki, session }: Bench): void {
  const { key, kind } = importKey(group, cryptoki, session);
  for (const { tcId, msg, sig, result } of group.tests) {
    if (result === "acceptable") tally.skip("acceptable either way");
    else {
      const why = verify({ group, kind, key, message: Buffer.from(msg, "hex"), signature: Buffer.from(sig, "hex") });
      tally.judge(`${file} ${tcId}`, { isValid: result === "valid", why });
    }
  }
  cryptoki.C_DestroyObject(session, key);

  /** Undefined when the token takes the signature. */
  function verify(one: {
    readonly group: Group;
    readonly kind: KeyKind;
    readonly key: Handle;
    readonly message: Buffer;
    readonly signature: Buffer;
  }): string | undefined {
    const name = one.group.sha === "SHA-384" ? "sha384" : "sha256";
    const scheme = schemes[one.group.type];
    const digest = scheme === "ed25519" ? one.message : hash(name, one.message, "buffer");
    const saltLength = one.group.sLen ?? 0;
    const { mechanism, input } = digestSignature(one.kind, { scheme, hash: name, digest, saltLength });
    const signature = rawOf(one.group, one.kind, one.signature);
    if (signature === undefined) return "not DER";
    // A module may take no octets for no argument, and then the operation stays open.
    if (signature.length === 0) return "empty";
    cryptoki.C_VerifyInit(session, mechanism, one.key);
    try {
      return cryptoki.C_Verify(session, input, signature) ? undefined : "refused";
    } catch (error) {
      const code = resultName(error);
      if (code === undefined || !refusals.has(code)) throw error;
      return code;
    }
  }
}

/** Tokens take r and s side by side; what is no strict DER never reaches one. */
function rawOf({ type }: Group, { algorithm }: KeyKind, signature: Buffer): Buffer | undefined {
  if (type !== "EcdsaVerify") return signature;
  try {
    return Buffer.from(ecdsaSignatureToRaw(signature, algorithm === "P-384" ? "P-384" : "P-256"));
  } catch (error) {
    if (isFleetError(error, "der-invalid")) return undefined;
    throw error;
  }
}

function importKey({ publicKeyDer }: Group, cryptoki: Cryptoki, session: Handle): { key: Handle; kind: KeyKind } {
  const {
    kty,
    crv,
    x = "",
    y = "",
    n = "",
    e = "",
  } = createPublicKey({
    ...{ key: Buffer.from(publicKeyDer, "hex"), format: "der", type: "spki" },
  }).export({ format: "jwk" });
  const bytes = (text: string): Buffer => Buffer.from(text, "base64url");
  const kind = kty === "RSA" ? findRsaSize(bytes(n).length * 8) : findKeyKind(curves[crv ?? ""] ?? "P-256");
  if (kind === undefined) throw new Error(`no kind of key for ${kty}`);
  const point = kty === "OKP" ? bytes(x) : Buffer.concat([Buffer.of(4), bytes(x), bytes(y)]);
  const parts =
    kty !== "RSA"
      ? [
          { type: ck.CKA_EC_PARAMS, value: kind.publicTemplate[0]?.value as Buffer },
          { type: ck.CKA_EC_POINT, value: Buffer.concat([Buffer.of(4, point.length), point]) },
        ]
      : [
          { type: ck.CKA_MODULUS, value: bytes(n) },
          { type: ck.CKA_PUBLIC_EXPONENT, value: bytes(e) },
        ];
  const key = cryptoki.C_CreateObject(session, [
    { type: ck.CKA_CLASS, value: ck.CKO_PUBLIC_KEY },
    { type: ck.CKA_KEY_TYPE, value: kind.keyType },
    { type: ck.CKA_TOKEN, value: false },
    { type: ck.CKA_PRIVATE, value: false },
    { type: ck.CKA_VERIFY, value: true },
    ...parts,
  ]);
  return { key, kind };
}

const curves: Readonly<Record<string, KeyAlgorithm>> = { "P-256": "P-256", "P-384": "P-384", Ed25519: "Ed25519" };

const files = [
  "ed25519",
  "ecdsa_secp256r1_sha256",
  "ecdsa_secp256r1_sha256_p1363",
  "ecdsa_secp384r1_sha384",
  "ecdsa_secp384r1_sha384_p1363",
  "rsa_signature_2048_sha256",
  "rsa_signature_3072_sha256",
  "rsa_signature_4096_sha256",
  "rsa_pss_2048_sha256_mgf1_32",
];

const schemes = {
  EddsaVerify: "ed25519",
  EcdsaVerify: "ecdsa",
  EcdsaP1363Verify: "ecdsa",
  RsassaPkcs1Verify: "rsa-pkcs1",
  RsassaPssVerify: "rsa-pss",
} as const;

const refusals: ReadonlySet<string> = new Set(["CKR_SIGNATURE_INVALID", "CKR_SIGNATURE_LEN_RANGE"]);
