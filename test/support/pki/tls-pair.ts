import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type SecureVersion, type TLSSocket } from "node:tls";
import type { TlsIdentity } from "./tls-identity.ts";

/** How a mutual handshake on loopback ended, as both sides saw it. */
export interface TlsOutcome {
  /** What the client read after the handshake: the common name the server saw. TLS 1.3 proves nothing earlier. */
  readonly seenAs: string | undefined;
  readonly protocol: string | null;
  readonly clientError: Error | undefined;
  readonly serverError: Error | undefined;
}

/** Runs one mutual TLS handshake over a real socket, both sides trusting `ca`. */
export async function tlsHandshake(request: {
  readonly server: TlsIdentity;
  readonly client: TlsIdentity;
  readonly ca: string;
  readonly version: SecureVersion;
}): Promise<TlsOutcome> {
  const { ca, version } = request;
  const common = { ca, minVersion: version, maxVersion: version };
  const server = createServer({ ...common, ...request.server, requestCert: true, rejectUnauthorized: true });
  let serverError: Error | undefined;
  server.on("tlsClientError", (error) => {
    serverError = error;
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => undefined);
    socket.end(String(socket.getPeerCertificate().subject.CN));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({
    ...common,
    ...request.client,
    port,
    host: "127.0.0.1",
    checkServerIdentity: () => undefined,
  });
  const outcome = await readAll(socket);
  const closed = once(server, "close");
  server.close();
  await closed;
  return { ...outcome, serverError };
}

async function readAll(socket: TLSSocket): Promise<Omit<TlsOutcome, "serverError">> {
  let text = "";
  let clientError: Error | undefined;
  let protocol: string | null = null;
  socket.on("secureConnect", () => {
    protocol = socket.getProtocol();
  });
  socket.on("data", (chunk) => {
    text += chunk.toString();
  });
  socket.on("error", (error) => {
    clientError = error;
  });
  await new Promise((resolve) => socket.once("close", resolve));
  return { seenAs: text === "" ? undefined : text, protocol, clientError };
}
