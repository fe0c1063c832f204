import { createServer, connect, type Server, type Socket } from "node:net";
import { once } from "node:events";

/** A network between one device and the controller that can be cut and mended. */
export interface CutProxy {
  readonly port: number;
  /** Drops every connection and refuses new ones. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** Forwards loopback TCP to the target until it is cut. */
export async function openCutProxy(target: { readonly host: string; readonly port: number }): Promise<CutProxy> {
  const live = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(target.port, target.host);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      live.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        live.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  const port = await listen(server);
  const dropAll = () => {
    for (const socket of live) socket.destroy();
  };
  return {
    port,
    cut() {
      isCut = true;
      dropAll();
    },
    mend() {
      isCut = false;
    },
    async close() {
      server.close();
      dropAll();
      await once(server, "close");
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
