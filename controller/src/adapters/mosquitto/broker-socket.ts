import { isIP } from "node:net";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { FleetError, isFleetError } from "@fleetcert/shared";

/** Where a broker listens for controllers, and whom it is told we are. */
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
  /** PEM of our certificate and its key, also a key provider's handle. */
  readonly identity: { readonly cert: string; readonly key: string };
  /** Judges the raw DER chain that the broker presents, leaf first; throws for one that is not its. */
  readonly verifyServer: (chain: readonly Uint8Array[]) => void;
}

/**
 * Opens a TLS 1.3 session with a broker; nothing is written before its chain is verified. OpenSSL's verdict is not asked
 * (DESIGN.md section 5). Throws `offline`, and what `verifyServer` throws.
 */
export function openBrokerSocket({ host, port, identity, verifyServer }: BrokerAddress): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ...identity,
      minVersion: "TLSv1.3",
      rejectUnauthorized: false,
      ...(isIP(host) === 0 && { servername: host }),
    });
    const fail = (cause?: unknown): void => {
      socket.destroy();
      reject(isFleetError(cause) ? cause : unreachable({ host, port }, cause));
    };
    socket.setNoDelay(true);
    socket.setTimeout(handshakePatienceMs, () => fail(new Error("it does not answer")));
    socket.on("error", fail);
    socket.once("close", () => fail());
    socket.once("secureConnect", () => {
      try {
        verifyServer(presentedChain(socket));
      } catch (error) {
        fail(error);
        return;
      }
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

function presentedChain(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<DetailedPeerCertificate>();
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined && !seen.has(certificate) && chain.length < maxChain) {
    seen.add(certificate);
    chain.push(new Uint8Array(certificate.raw));
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

function unreachable({ host, port }: { readonly host: string; readonly port: number }, cause: unknown): FleetError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new FleetError("offline", `the broker at ${host}:${port} cannot be reached${why}`, {
    hint: "is it running, set up by the files of `fleetcert broker config`?",
    retry: true,
    cause,
  });
}

const maxChain = 10;
const handshakePatienceMs = 10_000;
