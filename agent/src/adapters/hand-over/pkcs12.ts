import { createHash, createPrivateKey } from "node:crypto";
import { parseCertificate } from "@fleetcert/shared";
import {
  Attribute,
  AuthenticatedSafe,
  CertBag,
  Certificate,
  PFX,
  PKCS8ShroudedKeyBag,
  PrivateKeyInfo,
  SafeBag,
  SafeContents,
} from "pkijs";

/**
 * A PKCS#12 file (RFC 7292) with a key and its chain, leaf first: PBES2 with AES-256-CBC, PBKDF2 and MAC with SHA-256. Key and leaf
 * carry the same localKeyId, by which Java finds them together.
 */
export async function encodePkcs12(content: {
  /** PEM, PKCS#8. */
  readonly key: string;
  /** DER. */
  readonly certificates: readonly Uint8Array[];
  readonly passphrase: string;
}): Promise<Uint8Array> {
  const { certificates } = content;
  const password = arrayBufferOf(new TextEncoder().encode(content.passphrase));
  const protection = { password, contentEncryptionAlgorithm, hmacHashAlgorithm: "SHA-256", iterationCount };
  const [leaf = new Uint8Array()] = certificates;
  const bagAttributes = [localKeyId(leaf)];
  const pkcs8 = createPrivateKey(content.key).export({ type: "pkcs8", format: "der" });
  const keyBag = new PKCS8ShroudedKeyBag({ parsedValue: PrivateKeyInfo.fromBER(arrayBufferOf(pkcs8)) });
  await keyBag.makeInternalValues(protection);
  const certificateBags = certificates.map(
    (der, index) =>
      new SafeBag({
        bagId: certBagId,
        bagValue: new CertBag({ parsedValue: Certificate.fromBER(arrayBufferOf(der)) }),
        ...(index === 0 && { bagAttributes }),
      }),
  );
  const safe = new AuthenticatedSafe({
    parsedValue: {
      safeContents: [
        { privacyMode: 1, value: new SafeContents({ safeBags: certificateBags }) },
        {
          privacyMode: 0,
          value: new SafeContents({
            safeBags: [new SafeBag({ bagId: shroudedKeyBagId, bagValue: keyBag, bagAttributes })],
          }),
        },
      ],
    },
  });
  await safe.makeInternalValues({ safeContents: [protection, {}] });
  const pfx = new PFX({ parsedValue: { integrityMode: 0, authenticatedSafe: safe } });
  await pfx.makeInternalValues({
    password,
    iterations: iterationCount,
    pbkdf2HashAlgorithm: "SHA-256",
    hmacHashAlgorithm: "SHA-256",
  });
  return new Uint8Array(pfx.toSchema().toBER(false));
}

/** SEQUENCE { 1.2.840.113549.1.9.21, SET { OCTET STRING } } with the SHA-1 of the SPKI, as other programs write it. */
function localKeyId(leaf: Uint8Array): Attribute {
  const id = createHash("sha1").update(parseCertificate(leaf).spki).digest();
  const head = Buffer.from("302306092a864886f70d01091531160414", "hex");
  return Attribute.fromBER(arrayBufferOf(Buffer.concat([head, id])));
}

function arrayBufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

const contentEncryptionAlgorithm = { name: "AES-CBC", length: 256 };
const iterationCount = 100_000;
/** RFC 7292 §4.2. */
const shroudedKeyBagId = "1.2.840.113549.1.12.10.1.2";
const certBagId = "1.2.840.113549.1.12.10.1.3";
