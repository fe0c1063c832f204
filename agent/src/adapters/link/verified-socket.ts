import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { FleetError, isFleetError, pemEncode, presentedChain } from "@fleetcert/shared";
import type { Credential } from "../../ports.ts";

/** Where to, as whom, and who judges the server. */
export interface VerifiedSocketOptions {
  readonly host: string;
  readonly port: number;
  /** Authenticates the client; none on the bootstrap listener with a claim. */
  readonly credential: Credential | undefined;
  readonly verifyServer: (chain: readonly Uint8Array[]) => void;
  readonly signal: AbortSignal;
}

/**
 * Opens a TLS 1.3 session and has the server's chain verified before anybody may write to it.
 *
 * OpenSSL only proves that the server holds the key of its certificate; whether that certificate is right is `verifyServer`'s
 * alone (DESIGN.md section 5), so its verdict is not asked. No session is ever resumed: a resumed one keeps the old identity.
 */
export function openVerifiedSocket(options: VerifiedSocketOptions): Promise<TLSSocket> {
  const { host, port, credential, verifyServer, signal } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      minVersion: "TLSv1.3",
      rejectUnauthorized: false,
      ...(isIP(host) === 0 && { servername: host }),
      ...(credential && { key: credential.key.tlsKey(), cert: pemChain(credential) }),
    });
    const fail = (error: unknown) => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    const onError = (cause: Error) => fail(connectionError(cause, `${host}:${port}`));
    const onClose = () => fail(connectionError(undefined, `${host}:${port}`));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    socket.once("close", onClose);
    socket.once("secureConnect", () => {
      try {
        verifyServer(presentedChain(socket.getPeerCertificate(true)));
      } catch (error) {
        fail(error);
        return;
      }
      signal.removeEventListener("abort", onAbort);
      socket.off("error", onError);
      socket.off("close", onClose);
      resolve(socket);
    });
  });
}

/** What ended or prevented a connection, as the rest of the agent knows it. */
export function connectionError(cause: unknown, peer: string): FleetError {
  if (isFleetError(cause)) return cause;
  const code = codeOf(cause);
  if (refusalAlerts.test(code)) {
    return new FleetError("denied", `${peer} does not accept our certificate (${code})`, { cause, retry: true });
  }
  return new FleetError("offline", `${peer} cannot be reached${code === "" ? "" : ` (${code})`}`, {
    cause,
    retry: true,
    hint: "check the network, the address and that the controller is running",
  });
}

function pemChain({ certificate, chain }: Credential): string {
  return [certificate, ...chain].map((der) => pemEncode("CERTIFICATE", der)).join("");
}

function codeOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : "";
  return typeof code === "string" ? code : "";
}

/** TLS alerts by which a server says that it is our certificate it does not take (RFC 8446 §6.2), as OpenSSL 3.0 to 3.5 name them. */
const refusalAlerts =
  /^ERR_SSL_(TLSV1|TLSV13|SSLV3|SSL\/TLS)_ALERT_(ACCESS_DENIED|BAD_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE)$/;
