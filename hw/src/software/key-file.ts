import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { FleetError, type KeyAlgorithm, keyAlgorithmOf, type Secret, spkiSha256 } from "@fleetcert/shared";
import { encryptPkcs8 } from "./encrypted-key.ts";

/** What a key file shows without the passphrase. */
export interface KeyFile {
  readonly id: string;
  readonly label: string;
  readonly algorithm: KeyAlgorithm;
  readonly spki: Uint8Array;
  /** PEM block ENCRYPTED PRIVATE KEY. */
  readonly encrypted: string;
}

/**
 * Writes a key file: a line with the label, the public key and the encrypted private key (PKCS#8), both as PEM blocks,
 * so that OpenSSL reads it too (RFC 7468 §2 allows the text before).
 */
export async function formatKeyFile(
  key: KeyObject,
  { label, passphrase }: { label: string; passphrase: Secret },
): Promise<string> {
  const publicKey = createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
  const encrypted = await encryptPkcs8(key.export({ type: "pkcs8", format: "der" }), passphrase);
  return `label: ${label}\n${publicKey}${pem("ENCRYPTED PRIVATE KEY", encrypted)}`;
}

/** Reads a key file; throws `key-store-unavailable` when it is not one. */
export function parseKeyFile(name: string, text: string): KeyFile {
  const [, label, publicPem, encrypted] = shape.exec(text) ?? [];
  if (label === undefined || publicPem === undefined || encrypted === undefined) throw damaged(name);
  try {
    const spki = new Uint8Array(createPublicKey(publicPem).export({ type: "spki", format: "der" }));
    return { id: spkiSha256(spki), label, algorithm: keyAlgorithmOf(spki), spki, encrypted };
  } catch (cause) {
    throw damaged(name, cause);
  }
}

/**
 * Decrypts the private key of a key file. Throws `key-store-unavailable` when the passphrase does not open it or it does
 * not fit the public key beside it.
 */
export function decryptKey({ id, spki, encrypted }: KeyFile, passphrase: Secret): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: encrypted, passphrase: passphrase.reveal() });
  } catch (cause) {
    throw new FleetError("key-store-unavailable", `the passphrase does not open key ${id}`, {
      hint: "give the passphrase the key was made with",
      cause,
    });
  }
  const own = createPublicKey(key).export({ type: "spki", format: "der" });
  if (!own.equals(spki)) throw damaged(id);
  return key;
}

function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

const damaged = (name: string, cause?: unknown): FleetError =>
  new FleetError("key-store-unavailable", `the key file ${name} is damaged`, {
    hint: "restore it from a backup, or remove it and enrol again",
    cause,
  });

const shape =
  /^label: ([ -~]{1,128})\n(-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]{1,2000}-----END PUBLIC KEY-----\n)(-----BEGIN ENCRYPTED PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{1,8000}-----END ENCRYPTED PRIVATE KEY-----\n)$/;
