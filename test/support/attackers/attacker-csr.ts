import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { contextTag, tags } from "../../../shared/src/asn1/der-reader.ts";
import {
  derBitString,
  derElement,
  derInteger,
  derNull,
  derOctetString,
  derSequence,
  derSetOf,
} from "../../../shared/src/asn1/der-writer.ts";
import { encodeOid } from "../../../shared/src/asn1/object-identifier.ts";

/** What a request says; left out: a P-256 key, its own proof, no wishes. */
export interface CsrWishes {
  readonly key?: KeyObject;
  /** Signs instead of the key. */
  readonly provenBy?: KeyObject;
  /** Octets of the common name. */
  readonly commonName?: Uint8Array;
  /** URIs wished for as alternative names. */
  readonly uris?: readonly string[];
  /** How often the attribute with them appears. */
  readonly repeated?: number;
}

/** A PKCS#10 request for any key, proven by any key, that names any octets. */
export function attackerCsr(wishes: CsrWishes = {}): Uint8Array {
  const { key = ellipticKey("P-256"), commonName = Buffer.from("edge-1"), uris = [], repeated = 1 } = wishes;
  const { provenBy = key } = wishes;
  const name = derSequence(encodeOid("2.5.4.3"), derElement(tags.utf8String, commonName));
  const attributes = uris.length === 0 ? [] : Array.from({ length: repeated }, () => extensionRequest(uris));
  const info = derSequence(
    derInteger(0),
    derSequence(derSetOf([name])),
    createPublicKey(key).export({ type: "spki", format: "der" }),
    derElement(contextTag(0, "constructed"), ...attributes),
  );
  const algorithm =
    provenBy.asymmetricKeyType === "rsa"
      ? derSequence(encodeOid("1.2.840.113549.1.1.11"), derNull())
      : derSequence(encodeOid("1.2.840.10045.4.3.2"));
  return derSequence(info, algorithm, derBitString(sign("sha256", info, provenBy)));
}

/** A new key on a curve, also one that no honest device would take. */
export const ellipticKey = (namedCurve: string): KeyObject => generateKeyPairSync("ec", { namedCurve }).privateKey;

/** A new RSA key, also one that no honest device would take. */
export const rsaKey = (modulusLength: number, publicExponent = 65_537): KeyObject =>
  generateKeyPairSync("rsa", { modulusLength, publicExponent }).privateKey;

/** RFC 2985 §5.4.2 around a subjectAltName of URIs. */
function extensionRequest(uris: readonly string[]): Uint8Array {
  const names = derSequence(...uris.map((uri) => derElement(contextTag(6, "primitive"), Buffer.from(uri, "latin1"))));
  const extension = derSequence(encodeOid("2.5.29.17"), derOctetString(names));
  return derSequence(encodeOid("1.2.840.113549.1.9.14"), derSetOf([derSequence(extension)]));
}
