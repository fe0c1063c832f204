import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type ConnectionOptions, connect, createServer } from "node:tls";
import { pemEncode } from "@fleetcert/shared";
import { connectPacket } from "../support/broker/mqtt-packets.ts";
import { tlsBroker } from "../support/broker/tls-broker.ts";
import { type ClientMaterial, tlsMaterial } from "../support/pki/tls-material.ts";
import { medianOf7 } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * From the TCP connection to CONNACK over mutual TLS 1.3 on the embedded broker, both sides in this process and one after
 * another, against a bare Node server that asks for a client certificate and answers one octet.
 */
export async function bench(): Promise<Row[]> {
  const material = await tlsMaterial();
  const client = await material.issueClient("pump-1");
  const { chain, tlsKey: key } = material.server;
  const cert = chain.map((der) => pemEncode("CERTIFICATE", der)).join("");
  const bare = createServer({ cert, key, ca: [], requestCert: true, rejectUnauthorized: false });
  bare.on("secureConnection", (socket) => socket.on("error", () => undefined).once("data", () => socket.write("x")));
  bare.listen(0, "127.0.0.1");
  await once(bare, "listening");
  const broker = await tlsBroker(material);
  try {
    const { port } = bare.address() as AddressInfo;
    const yardstick = await accepts({ host: "127.0.0.1", port }, client);
    const value = await accepts(broker.endpoints.operational, client);
    const of = `mutual TLS 1.3 with a bare server, Node ${process.version}`;
    return [
      { name: "tls-accept, bare", value: yardstick, unit: "ms" },
      { name: "mtls-accept, to CONNACK", value, unit: "ms", ratio: value / yardstick, of },
    ];
  } finally {
    bare.close();
    await broker.close();
  }
}

/** Milliseconds for one. */
async function accepts(endpoint: ConnectionOptions, { tls }: ClientMaterial): Promise<number> {
  const times = 20;
  const hello = connectPacket({ clientId: "pump-1" });
  const milliseconds = await medianOf7(async () => {
    for (let count = 0; count < times; count++) {
      const socket = connect({ ...endpoint, ...tls, rejectUnauthorized: false });
      socket.write(hello);
      await once(socket, "data");
      socket.destroy();
      await once(socket, "close");
    }
  });
  return milliseconds / times;
}
