import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect } from "node:tls";
import { type Duration, FleetError, isFleetError, presentedChain } from "@fleetcert/shared";
import { type StartTls, startTls } from "./start-tls.ts";

/** Where a service is to be seen. */
export interface TlsProbe {
  readonly host: string;
  readonly port: number;
  /** Sent as SNI; empty sends none. */
  readonly serverName: string;
  readonly startTls: StartTls;
  readonly timeout: Duration;
}

/**
 * Connects to a service of this host and returns the chain it presents, raw DER, leaf first. Whether it is right is the caller's to
 * judge. A service that wants a client certificate has shown its own before it asks. Rejects with `offline` or `timeout`.
 */
export async function probeTls(probe: TlsProbe, signal: AbortSignal): Promise<readonly Uint8Array[]> {
  const { host, port, timeout } = probe;
  const late = AbortSignal.timeout(timeout);
  const until = AbortSignal.any([signal, late]);
  const socket = connectTcp({ host, port });
  const destroy = () => socket.destroy();
  until.addEventListener("abort", destroy, { once: true });
  socket.on("error", () => undefined);
  try {
    await connected(socket);
    await startTls(probe.startTls, socket);
    return await chainOver(socket, probe);
  } catch (cause) {
    if (late.aborted) throw new FleetError("timeout", `${host}:${port} did not answer within ${timeout} ms`, { cause });
    if (isFleetError(cause)) throw cause;
    throw new FleetError("offline", `${host}:${port} cannot be reached over TLS`, { cause, retry: true });
  } finally {
    until.removeEventListener("abort", destroy);
    socket.destroy();
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
  });
}

function chainOver(socket: Socket, { serverName }: TlsProbe): Promise<readonly Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const secure = connect({
      socket,
      // Our own validator judges the chain (DESIGN.md section 5).
      rejectUnauthorized: false,
      ...(serverName !== "" && isIP(serverName) === 0 && { servername: serverName }),
    });
    secure.once("secureConnect", () => {
      resolve(presentedChain(secure.getPeerCertificate(true)));
      secure.destroy();
    });
    secure.once("error", reject);
    secure.once("close", () => reject(new Error("closed")));
  });
}
