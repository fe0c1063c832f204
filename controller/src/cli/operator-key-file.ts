import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import { FleetError, pemEncode, Secret, type Signer } from "@fleetcert/shared";
import { readPassphrase } from "../adapters/files/data-directory.ts";
import { askNewPassphrase, askPassphrase } from "./ask-passphrase.ts";
import type { CliContext } from "./context.ts";

/** A person's new key: what it signs with, and its file, encrypted (I6). */
export interface OperatorKey {
  readonly signer: Signer;
  /** PEM of an encrypted PKCS#8. */
  readonly pem: string;
}

/** Makes a P-256 key that only the passphrase opens. */
export async function newOperatorKey(passphrase: Secret): Promise<OperatorKey> {
  // Whoever only looks at the fleet need not wait for what keys in hardware need.
  const { encryptPkcs8 } = await import("@fleetcert/hw");
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  return {
    pem: pemEncode("ENCRYPTED PRIVATE KEY", await encryptPkcs8(pkcs8, passphrase)),
    signer: {
      algorithm: "P-256",
      spki: Uint8Array.from(publicKey.export({ type: "spki", format: "der" })),
      sign: async (message) => Uint8Array.from(sign("sha256", message, privateKey)),
    },
  };
}

/** The passphrase of a key that is about to be made; `text` when it was made here and nobody has it yet. */
export interface NewPassphrase {
  readonly passphrase: Secret;
  readonly text: string | undefined;
}

/** From a file, from the one beside an earlier key of the same name, from the person at the terminal, else a random one. */
export async function passphraseForKey(
  context: CliContext,
  { name, keyFile, given }: { readonly name: string; readonly keyFile: string; readonly given: string | undefined },
): Promise<NewPassphrase> {
  if (given !== undefined) return { passphrase: await readPassphrase(given), text: undefined };
  const beside = passphraseBeside(keyFile);
  if (await isThere(beside)) return { passphrase: await readPassphrase(beside), text: undefined };
  const typed = context.isInteractive ? await askNewPassphrase(`passphrase of ${name}'s key`) : undefined;
  if (typed !== undefined) return { passphrase: typed, text: undefined };
  const text = randomBytes(24).toString("base64url");
  return { passphrase: Secret.of(text), text };
}

/**
 * A person's private key as PEM for TLS. An encrypted one is opened by the passphrase of the file given, of the one beside it, or
 * of the person at the terminal. Throws `usage` without one, `key-store-unavailable` for a wrong one.
 */
export async function readOperatorKey(keyFile: string, given: string | undefined): Promise<string> {
  const pem = await read(keyFile);
  if (!pem.includes("BEGIN ENCRYPTED PRIVATE KEY")) return pem;
  const passphrase = await knownPassphrase(keyFile, given);
  try {
    return createPrivateKey({ key: pem, passphrase: passphrase.reveal() })
      .export({ type: "pkcs8", format: "pem" })
      .toString();
  } catch (cause) {
    throw new FleetError("key-store-unavailable", `the passphrase does not open ${keyFile}`, {
      hint: "give the passphrase the key was made with: --key-passphrase FILE",
      cause,
    });
  }
}

/** Where a passphrase that was made at random is kept until a person moves it: NAME.passphrase for NAME.key.pem. */
export function passphraseBeside(keyFile: string): string {
  return `${keyFile.replace(/(\.key)?\.pem$/, "")}.passphrase`;
}

async function knownPassphrase(keyFile: string, given: string | undefined): Promise<Secret> {
  const file = given ?? passphraseBeside(keyFile);
  if (given !== undefined || (await isThere(file))) return await readPassphrase(file);
  if (process.stdin.isTTY === true) return await askPassphrase(`passphrase of ${keyFile}: `);
  throw new FleetError("usage", `${keyFile} is encrypted and no passphrase is at hand`, {
    hint: `give its file: --key-passphrase FILE (FLEETCERT_KEY_PASSPHRASE_FILE), or put it into ${file}`,
  });
}

async function isThere(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new FleetError("usage", `${file} cannot be read`, { cause });
  }
}
