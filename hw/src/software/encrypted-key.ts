import { createCipheriv, randomBytes, type ScryptOptions, scrypt } from "node:crypto";
import { promisify } from "node:util";
import type { Secret } from "@fleetcert/shared";

/**
 * Encrypts a PKCS#8 key as EncryptedPrivateKeyInfo (RFC 5958 §3) with PBES2: scrypt (RFC 7914 §7) and AES-256-CBC.
 *
 * Written here because OpenSSL's exporter derives with 2048 rounds of PBKDF2; OpenSSL and node:crypto read the result.
 */
export async function encryptPkcs8(pkcs8: Uint8Array, passphrase: Secret): Promise<Uint8Array> {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const { N, r, p } = cost;
  const key = await derive(passphrase.reveal(), salt, 32, cost);
  const cipher = createCipheriv("aes-256-cbc", key, iv);
  const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
  const kdf = der(0x30, oids.scrypt, der(0x30, der(0x04, salt), integer(N), integer(r), integer(p)));
  const encryption = der(0x30, oids.aes256Cbc, der(0x04, iv));
  const pbes2 = der(0x30, oids.pbes2, der(0x30, kdf, encryption));
  return new Uint8Array(der(0x30, pbes2, der(0x04, encrypted)));
}

function integer(value: number): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
  return der(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Uint8Array.of(tag, ...length), content]);
}

const derive: (passphrase: string, salt: Buffer, length: number, options: ScryptOptions) => Promise<Buffer> =
  promisify(scrypt);

// 16 MiB and some 40 ms: the most that OpenSSL reads with its default memory limit of 32 MiB.
const cost = { N: 16_384, r: 8, p: 1 } as const;

const oids = {
  pbes2: Buffer.from("06092a864886f70d01050d", "hex"),
  scrypt: Buffer.from("06092b06010401da47040b", "hex"),
  aes256Cbc: Buffer.from("060960864801650304012a", "hex"),
};
