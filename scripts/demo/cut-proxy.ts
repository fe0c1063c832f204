import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A network between one device and the controller that can be cut and mended. */
export interface CutProxy {
  readonly port: number;
  /** Drops every connection and refuses new ones. */
  cut(): void;
  /**
   * Cuts when the next connection arrives, before it is through: with one session standing, that is the proving session of a
   * rotation. Resolves when it has happened.
   */
  cutAtNextConnection(): Promise<void>;
  /** Also what was to be cut at the next connection is not. */
  mend(): void;
  close(): Promise<void>;
}

/** Forwards loopback TCP to the target until it is cut. */
export async function openCutProxy(target: { readonly host: string; readonly port: number }): Promise<CutProxy> {
  const live = new Set<Socket>();
  let isCut = false;
  let onNextConnection: (() => void) | undefined;
  const server = createServer((near) => {
    onNextConnection?.();
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
  const cut = () => {
    isCut = true;
    dropAll();
  };
  return {
    port,
    cut,
    cutAtNextConnection: () =>
      new Promise((resolve) => {
        onNextConnection = () => {
          onNextConnection = undefined;
          cut();
          resolve();
        };
      }),
    mend() {
      isCut = false;
      onNextConnection = undefined;
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
