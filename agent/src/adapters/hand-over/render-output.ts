import { readFile } from "node:fs/promises";
import { FleetError, pemEncode } from "@fleetcert/shared";
import type { Material } from "../../deployment/service-actions.ts";

/** What a file of a set holds. */
export type OutputKind = "chain" | "key" | "pkcs12" | "pkcs11-uri" | "trust";

/** One file of a set, as the configuration declares it. */
export interface SetOutput {
  readonly kind: OutputKind;
  /** Where the service reads it. */
  readonly file: string;
  readonly owner: string;
  readonly group: string;
  /** Permission bits. */
  readonly mode: number;
  /** pkcs12: file with the passphrase. */
  readonly passphraseFile: string;
}

/** The content of a file. Throws `request-invalid` for a private key that never leaves its token. */
export async function renderOutput(
  { kind, passphraseFile }: Pick<SetOutput, "kind" | "passphraseFile">,
  { credential, key, trust }: Material,
): Promise<string | Uint8Array> {
  const { certificate, chain } = credential;
  // Clients have the root; sending it is of no use to them (RFC 8446 §4.4.2).
  const presented = [certificate, ...chain.slice(0, -1)];
  switch (kind) {
    case "chain":
      return pems(presented);
    case "trust":
      return pems([...trust.issuers, ...trust.roots]);
    case "key":
      return privateKey(credential, key);
    case "pkcs11-uri":
      return `${key.ref}\n`;
    case "pkcs12": {
      const { encodePkcs12 } = await import("./pkcs12.ts");
      const passphrase = (await readFile(passphraseFile, "utf8")).trim();
      return encodePkcs12({ key: privateKey(credential, key), certificates: [certificate, ...chain], passphrase });
    }
  }
}

function privateKey({ generation }: Material["credential"], key: Material["key"]): string {
  if (key.protection === "software") return key.tlsKey();
  throw new FleetError("request-invalid", `the key of generation ${generation} never leaves its ${key.protection}`, {
    hint: "give the service the key by its PKCS#11 URI, or keep the keys of this slot in software",
  });
}

const pems = (ders: readonly Uint8Array[]): string => ders.map((der) => pemEncode("CERTIFICATE", der)).join("");
