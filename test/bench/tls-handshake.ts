import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Server } from "node:tls";
import { openKeyProvider } from "@fleetcert/hw";
import { startSoftHsm } from "../support/softhsm.ts";
import { testPki } from "../support/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity, type TlsIdentity } from "../support/tls-identity.ts";
import { medianOf7 } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * A full mutual TLS 1.3 handshake on loopback, both sides in this process, until the first application data is back:
 * with the client's key on SoftHSM2 against the same with its key in memory.
 */
export async function bench(): Promise<Row[]> {
  const hsm = startSoftHsm();
  process.once("exit", () => hsm.remove());
  const { tokenLabel, pin } = hsm.createToken();
  const provider = await openKeyProvider({ kind: "pkcs11", modulePath: hsm.modulePath, tokenLabel, pin: () => pin });
  const pki = await testPki();
  const ca = rootPem(pki);
  const server = await startServer({ ca, ...(await softwareIdentity(pki, "server")) });
  try {
    const memory = await handshake("tls-handshake, P-256 in memory", {
      server,
      ca,
      client: await softwareIdentity(pki, "client"),
    });
    const rows = [memory];
    for (const algorithm of ["P-256", "RSA-2048"] as const) {
      const client = await providerIdentity(pki, await provider.generate({ algorithm, label: "bench" }), "client");
      const row = await handshake(`tls-handshake, ${algorithm} on SoftHSM2`, { server, ca, client });
      rows.push({ ...row, ratio: row.value / memory.value, of: memory.name });
    }
    return rows;
  } finally {
    server.close();
    await provider.close();
  }
}

async function startServer(options: TlsIdentity & { readonly ca: string }): Promise<Server> {
  const server = createServer({ ...options, minVersion: "TLSv1.3", requestCert: true, rejectUnauthorized: true });
  server.on("secureConnection", (socket) => socket.end("seen"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function handshake(
  name: string,
  { server, ca, client }: { readonly server: Server; readonly ca: string; readonly client: TlsIdentity },
): Promise<Row> {
  const { port } = server.address() as AddressInfo;
  const times = 20;
  const milliseconds = await medianOf7(async () => {
    for (let count = 0; count < times; count++) {
      const socket = connect({ ...client, ca, port, host: "127.0.0.1", checkServerIdentity: () => undefined });
      await once(socket, "data");
      socket.destroy();
    }
  });
  return { name, value: milliseconds / times, unit: "ms" };
}
