import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type OpenKeyProvider, parseCertificate, pemDecode } from "@fleetcert/shared";
import { vi } from "vitest";
import type { TlsIdentity } from "../pki/tls-identity.ts";

/** What an agent speaks with over TLS, once its certificate lies in its data directory; its key is one of the provider's. */
export async function agentIdentity(data: string, keys: OpenKeyProvider): Promise<TlsIdentity> {
  const file = join(data, "certificates", "identity.pem");
  const cert = await vi.waitFor(() => readFile(file, "utf8"), 20_000);
  const [leaf = new Uint8Array()] = pemDecode(cert, "CERTIFICATE");
  const { spki } = parseCertificate(leaf);
  for (const { ref } of await keys.list("")) {
    const key = await keys.open(ref);
    if (Buffer.compare(key.spki, spki) === 0) return { key: key.tlsKey(), cert };
  }
  throw new Error(`there is no key for the certificate of ${data}`);
}
