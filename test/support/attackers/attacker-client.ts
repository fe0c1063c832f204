import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { RawMqttClient } from "../broker/mqtt-client.ts";
import { number16, packet, text } from "../broker/mqtt-packets.ts";

/** A raw MQTT client over TLS that believes any server. */
export class AttackerClient extends RawMqttClient {
  declare readonly stream: TLSSocket;

  /** Sends CONNECT with a password of any octets; resolves with CONNACK's code, undefined when the connection closed. */
  async connectAs(wishes: {
    readonly clientId: string;
    readonly username?: string | undefined;
    readonly password?: Uint8Array | undefined;
  }): Promise<number | undefined> {
    const { clientId, username, password } = wishes;
    const flags = 2 + (password === undefined ? 0 : 0x40) + (username === undefined ? 0 : 0x80);
    this.send(
      packet(0x10, [
        text("MQTT"),
        Buffer.from([4, flags]),
        number16(60),
        text(clientId),
        ...(username === undefined ? [] : [text(username)]),
        ...(password === undefined ? [] : [number16(password.length), password]),
      ]),
    );
    const connack = await this.next();
    return connack?.header === 0x20 ? connack.body[1] : undefined;
  }
}

/** Dials a listener and completes the handshake; rejects when it fails. */
export async function dialTls(
  endpoint: { readonly host: string; readonly port: number },
  tls: ConnectionOptions = {},
): Promise<AttackerClient> {
  const socket = connect({ ...endpoint, rejectUnauthorized: false, ...tls });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed during the handshake")));
  });
  return new AttackerClient(socket);
}

/**
 * How the controller receives a client certificate: CONNACK's code, or `closed` when it hung up instead. In TLS 1.3 the
 * client is "connected" before the server has looked at its certificate, so nothing earlier counts.
 */
export async function admission(
  endpoint: { readonly host: string; readonly port: number },
  wishes: ConnectionOptions & { readonly clientId: string },
): Promise<number | "closed"> {
  const { clientId, ...tls } = wishes;
  try {
    const client = await dialTls(endpoint, tls);
    const code = await client.connectAs({ clientId });
    client.stream.destroy();
    return code ?? "closed";
  } catch {
    return "closed";
  }
}
