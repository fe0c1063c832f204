import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it } from "vitest";
import { SocketTransport } from "./socket-transport.ts";

const command = Buffer.from("80010000000c0000017b0008", "hex");
const good = Buffer.from("80010000000e0000000000021234", "hex");
const servers: Worker[] = [];
afterAll(async () => {
  await Promise.all(servers.map((server) => server.terminate()));
});

describe("the way to an emulator", () => {
  it("puts a response together that comes in pieces", async () => {
    const pieces = [...good].map((octet) => Buffer.of(octet));
    const transport = await connectTo(pieces);
    expect(Buffer.from(transport.transact(command))).toEqual(good);
    expect(Buffer.from(transport.transact(command))).toEqual(good);
    transport.close();
  });

  it.each([
    ["claims to be larger than any", "80010000ffff00000000"],
    ["claims to be shorter than its own head", "80010000000900000000"],
    ["claims gigabytes", "8001ffffffff00000000"],
  ])("refuses a response that %s, at once and with a bound", async (_, hex) => {
    const transport = await connectTo([Buffer.from(hex, "hex")]);
    expect(() => transport.transact(command)).toThrow(
      expect.objectContaining({ code: "key-store-unavailable", message: expect.stringContaining("claims") }),
    );
    transport.close();
  });

  it("says so when the other side hangs up in the middle of a response", async () => {
    const transport = await connectTo([good.subarray(0, 7), "hang up"]);
    expect(() => transport.transact(command)).toThrow(
      expect.objectContaining({ code: "key-store-unavailable", message: expect.stringContaining("closed") }),
    );
    transport.close();
  });

  it("waits no longer than its bound for one that says nothing or never ends", async () => {
    for (const script of [[], [good.subarray(0, 13)]]) {
      const transport = await connectTo(script, 150);
      const start = performance.now();
      expect(() => transport.transact(command)).toThrow(expect.objectContaining({ code: "timeout", retry: true }));
      expect(performance.now() - start).toBeLessThan(10_000);
      transport.close();
    }
  });

  it("does not take what is left of one response for the next", async () => {
    const transport = await connectTo([Buffer.concat([good, Buffer.from("left over")])]);
    for (let round = 0; round < 3; round++) expect(Buffer.from(transport.transact(command))).toEqual(good);
    transport.close();
  });
});

/** A server that answers every command with the same pieces; in a thread, since this one will wait for it. */
async function connectTo(script: readonly (Uint8Array | "hang up")[], timeoutMs = 10_000): Promise<SocketTransport> {
  const server = new Worker(answering, { eval: true, workerData: script });
  servers.push(server);
  const [port] = (await once(server, "message")) as [number];
  return new SocketTransport({ host: "127.0.0.1", port }, { timeoutMs });
}

const answering = `
  const { createServer } = require("node:net");
  const { parentPort, workerData } = require("node:worker_threads");
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("data", async () => {
      for (const piece of workerData) {
        if (piece === "hang up") return socket.destroy();
        await new Promise((resolve) => socket.write(piece, resolve));
      }
    });
  });
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;
