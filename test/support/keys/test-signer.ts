import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { KeyAlgorithm, Signer } from "@fleetcert/shared";

/** A fresh software key for tests; its private half is readable because nothing real hangs on it. */
export function testSigner(algorithm: KeyAlgorithm): Signer & { readonly privatePem: string } {
  const privateKey = generate(algorithm);
  const spki = new Uint8Array(createPublicKey(privateKey).export({ type: "spki", format: "der" }));
  return {
    algorithm,
    spki,
    privatePem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    sign: async (message) => new Uint8Array(sign(digestOf(algorithm), message, privateKey)),
  };
}

function generate(algorithm: KeyAlgorithm): KeyObject {
  switch (algorithm) {
    case "P-256":
    case "P-384":
      return generateKeyPairSync("ec", { namedCurve: algorithm }).privateKey;
    case "Ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    default:
      return generateKeyPairSync("rsa", { modulusLength: Number(algorithm.slice("RSA-".length)) }).privateKey;
  }
}

function digestOf(algorithm: KeyAlgorithm): string | null {
  if (algorithm === "Ed25519") return null;
  return algorithm === "P-384" ? "sha384" : "sha256";
}
