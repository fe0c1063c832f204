import { connect, type TLSSocket } from "node:tls";

/** What a load has seen: each request is a TLS connection of its own. */
export interface LoadFigures {
  readonly requests: number;
  readonly failed: number;
  /** What the first failure said. */
  readonly firstFailure: string;
  /** SHA-256 of the certificates served, lower-case hex, in the order in which they were first seen. */
  readonly served: readonly string[];
  /** Milliseconds of every request that succeeded. */
  readonly latencies: readonly number[];
}

/** A steady load on a service; `figures` may be read while it runs. */
export interface SteadyLoad {
  figures(): LoadFigures;
  stop(): Promise<LoadFigures>;
}

/** One request over a connection that is open; resolves when the answer is whole. */
export type Exchange = (socket: TLSSocket) => Promise<void>;

/** Starts `clients` loops that connect, exchange and close, one request after the other. */
export function startLoad(options: {
  readonly port: number;
  readonly clients: number;
  readonly exchange: Exchange;
}): SteadyLoad {
  const { port, clients, exchange } = options;
  const state = { requests: 0, failed: 0, firstFailure: "" };
  const served = new Set<string>();
  const latencies: number[] = [];
  let isOver = false;
  const figures = (): LoadFigures => ({ ...state, served: [...served], latencies: [...latencies] });
  const loop = async () => {
    while (!isOver) {
      const begin = performance.now();
      state.requests += 1;
      try {
        served.add(await request(port, exchange));
        latencies.push(performance.now() - begin);
      } catch (error) {
        state.failed += 1;
        state.firstFailure ||= String(error);
      }
    }
  };
  const loops = Promise.all(Array.from({ length: clients }, loop));
  return {
    figures,
    async stop() {
      isOver = true;
      await loops;
      return figures();
    },
  };
}

/** SHA-256 of the certificate a service serves now. */
export function servedSha256(port: number): Promise<string> {
  return request(port, async () => undefined);
}

/** `GET /` of HTTP/1.1; anything but 200 is a failure. */
export const httpExchange: Exchange = async (socket) => {
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const answer = await readUntil(socket, (text) => text.includes("\r\n\r\n"));
  if (!answer.startsWith("HTTP/1.1 200 ")) throw new Error(`answered ${answer.slice(0, 40)}`);
};

/** CONNECT of MQTT 3.1.1 without credentials; anything but an accepting CONNACK is a failure. */
export const mqttExchange: Exchange = async (socket) => {
  const id = Buffer.from(`load-${Math.random().toString(36).slice(2, 12)}`, "latin1");
  const variable = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 30, 0, id.length]);
  socket.write(Buffer.concat([Buffer.from([0x10, variable.length + id.length]), variable, id]));
  const answer = await readUntil(socket, (text) => text.length >= 4);
  if (answer !== "\u0020\u0002\u0000\u0000") throw new Error("no accepting CONNACK");
};

function request(port: number, exchange: Exchange): Promise<string> {
  return new Promise((resolve, reject) => {
    // The certificate is compared by its hash; whether its chain holds is the agent's to verify.
    const socket = connect({ port, host: "127.0.0.1", servername: "localhost", rejectUnauthorized: false });
    socket.setTimeout(patienceMs, () => socket.destroy(new Error("timed out")));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed before the answer")));
    socket.once("secureConnect", () => {
      const sha256 = socket.getPeerCertificate().fingerprint256.replaceAll(":", "").toLowerCase();
      exchange(socket).then(
        () => {
          resolve(sha256);
          socket.end();
        },
        (error: unknown) => {
          reject(error);
          socket.destroy();
        },
      );
    });
  });
}

function readUntil(socket: TLSSocket, isWhole: (text: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (isWhole(text)) resolve(text);
    });
    socket.once("end", () => reject(new Error("ended before the answer")));
  });
}

const patienceMs = 10_000;
