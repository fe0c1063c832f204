import { createPrivateKey } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Something that may be nowhere but in the files that are declared to hold it. */
export interface NamedSecret {
  readonly name: string;
  /** Every way it could be written. */
  readonly forms: readonly Buffer[];
  /** Files that may hold it. */
  readonly declared: readonly string[];
}

/** A secret that is a text, such as a PIN. */
export function textSecret(name: string, text: string, ...declared: string[]): NamedSecret {
  return { name, forms: formsOf(Buffer.from(text)), declared };
}

/** A secret that is octets, written as base64url where people see it. */
export function octetSecret(name: string, base64url: string, ...declared: string[]): NamedSecret {
  const octets = Buffer.from(base64url, "base64url");
  return { name, forms: [...formsOf(octets), Buffer.from(base64url)], declared };
}

/** The private numbers of every encrypted key file below a directory. */
export function privateNumbers(directory: string, passphrase: string): NamedSecret[] {
  return readFilesBelow(directory).flatMap(({ path, bytes }) => {
    const [pem] =
      /-----BEGIN ENCRYPTED PRIVATE KEY-----[^-]+-----END [A-Z ]+-----/.exec(bytes.toString("latin1")) ?? [];
    if (pem === undefined) return [];
    const { d = "" } = createPrivateKey({ key: pem, passphrase }).export({ format: "jwk" });
    return [octetSecret(`private number of ${path}`, d)];
  });
}

/** What of the secrets, or of any private key that is not encrypted, stands in the bytes of a place. */
export function leaksIn(
  place: { readonly path: string; readonly bytes: Buffer },
  secrets: readonly NamedSecret[],
): string[] {
  const { path, bytes } = place;
  const found = secrets
    .filter(({ declared }) => !declared.includes(path))
    .filter(({ forms }) => forms.some((form) => bytes.includes(form)));
  const keys = keyPatterns.filter(({ pattern, encoding }) => pattern.test(bytes.toString(encoding)));
  return [...found, ...keys].map(({ name }) => `${name} in ${path}`);
}

/** Every file below a directory. */
export function readFilesBelow(directory: string): { readonly path: string; readonly bytes: Buffer }[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: readFileSync(path) }));
}

/** Arguments and environment of every process of this machine that may be looked at. */
export function readProcesses(): { readonly path: string; readonly bytes: Buffer }[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`])
    .flatMap((path) => {
      try {
        return [{ path, bytes: readFileSync(path) }];
      } catch {
        // It ended meanwhile, or is somebody else's.
        return [];
      }
    });
}

function formsOf(octets: Buffer): Buffer[] {
  const texts = (["hex", "base64", "base64url"] as const).map((encoding) =>
    octets.toString(encoding).replace(/=+$/, ""),
  );
  return [octets, ...texts.map((text) => Buffer.from(text)), Buffer.from(octets.toString("hex").toUpperCase())];
}

/** Octets are looked for in hex. */
const keyPatterns: readonly { readonly name: string; readonly encoding: "latin1" | "hex"; readonly pattern: RegExp }[] =
  [
    { name: "PEM private key", encoding: "latin1", pattern: /-----BEGIN (?:EC |RSA |DSA |OPENSSH )?PRIVATE KEY-----/ },
    { name: "PKCS#8 private key in base64", encoding: "latin1", pattern: /AgEAM[A-Za-z0-9+/]{3}ByqGSM49/ },
    // PrivateKeyInfo (RFC 5958 §2): version 0, then an algorithm of EC, RSA or Ed25519.
    {
      name: "PKCS#8 private key",
      encoding: "hex",
      pattern: /02010030[01][0-9a-f]06(?:072a8648ce3d0201|092a864886f70d010101|032b6570)/,
    },
    // ECPrivateKey (RFC 5915 §3): version 1, the number, the curve.
    { name: "SEC 1 private key", encoding: "hex", pattern: /02010104(?:20[0-9a-f]{64}|30[0-9a-f]{96})a0/ },
  ];
