import { connect } from "node:tls";
import { FleetError } from "@fleetcert/shared";

/** Says how a TLS server answers, without a credential and without sending anything. Throws `offline` or `config-invalid`. */
export function probeServer(host: string, port: number): Promise<string> {
  if (host === "")
    throw new FleetError("config-invalid", "controller.host is not set", { hint: "enrol with --controller" });
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, minVersion: "TLSv1.3", rejectUnauthorized: false, timeout: patience });
    const fail = (cause: Error | undefined) => {
      socket.destroy();
      reject(
        new FleetError("offline", `${host}:${port} does not answer${cause === undefined ? "" : `: ${cause.message}`}`, {
          cause,
          hint: "check the address, the network, a firewall, and that the controller is running",
        }),
      );
    };
    socket.on("error", fail);
    socket.on("timeout", () => fail(undefined));
    socket.on("secureConnect", () => {
      resolve(`${host}:${port} speaks ${socket.getProtocol()}`);
      socket.destroy();
    });
  });
}

const patience = 5_000;
