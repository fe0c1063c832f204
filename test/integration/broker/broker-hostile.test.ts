import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { connectPacket, publishPacket } from "../../support/broker/mqtt-packets.ts";

const sockets = 1_000;
const limitBytes = 32 * 1024;
const clientId = `boot-${"0".repeat(40)}`;
const noise = randomBytes(100_000);
const almostAConnect = Buffer.concat([Buffer.from([0x10, 0x80, 0x20]), randomBytes(4_095)]);

const attacks: readonly ((socket: TLSSocket) => void)[] = [
  (socket) => socket.write(noise),
  (socket) => socket.write(Buffer.concat([connectPacket({ clientId, username: "undecided", password: "x" }), noise])),
  (socket) => socket.write(almostAConnect),
  (socket) => {
    socket.write(connectPacket({ clientId, username: "undecided", password: "x" }));
    setTimeout(() => socket.write(noise), 500);
  },
  (socket) => socket.write(Buffer.concat([connectPacket({ clientId, username: "wrong", password: "x" }), noise])),
  (socket) => socket.write(connectPacket({ clientId, username: "undecided", password: "x" })),
  (socket) => socket.write(publishPacket({ topic: "a", payload: randomBytes(200_000) })),
  (socket) => socket.write(Buffer.concat([Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), noise])),
  (socket) => socket.write(connectPacket({ clientId: "x".repeat(60_000) })),
  (socket) => {
    for (const octet of almostAConnect.subarray(0, 200)) socket.write(Buffer.from([octet]));
  },
];
let running: BrokerProcess | undefined;

afterEach(() => running?.stop());

describe("1,000 sockets that never authenticate", () => {
  it.each([
    ["everything that comes to mind at once", attacks],
    ["100 kB of noise each", attacks.slice(0, 1)],
    ["a CONNECT that is being judged and 100 kB behind it", attacks.slice(1, 2)],
    ["as much of a CONNECT as is let in", attacks.slice(2, 3)],
    ["a CONNECT that is never judged and 100 kB half a second later", attacks.slice(3, 4)],
  ])("raise the resident memory by at most 32 KiB each above as many idle ones with %s", async (what, kinds) => {
    running = await BrokerProcess.start();
    const broker = running;
    // What the process allocates once, for code and for its heap's young generation, is not the sockets'.
    const first = await dial(broker.port, 200);
    for (const [at, socket] of first.entries()) kinds[at % kinds.length]?.(socket);
    await sleep(1_000);
    await end(first);
    const idle = await dial(broker.port, sockets);
    await broker.peak();
    await sleep(500);
    const before = await broker.peak();
    for (const [at, socket] of idle.entries()) kinds[at % kinds.length]?.(socket);
    await sleep(3_000);
    const peak = await broker.peak();
    const each = (peak - before) / sockets;
    const held = idle.filter((socket) => !socket.destroyed).length;
    process.stdout.write(
      `${sockets} hostile sockets, ${what}: ${held} still held, resident ${mib(before)} MiB idle, ` +
        `${mib(peak)} MiB at most; ${(each / 1024).toFixed(1)} KiB each, limit ${limitBytes / 1024}\n`,
    );
    expect(each).toBeLessThanOrEqual(limitBytes);
    await end(idle);
  });
});

async function dial(port: number, count: number): Promise<TLSSocket[]> {
  const dialled: TLSSocket[] = [];
  // As many at once as the backlog of a listener takes without losing any.
  while (dialled.length < count) {
    const batch = Array.from({ length: Math.min(50, count - dialled.length) }, () =>
      connect({ port, host: "127.0.0.1", rejectUnauthorized: false }),
    );
    await Promise.all(batch.map((socket) => once(socket, "secureConnect")));
    for (const socket of batch) socket.on("error", () => undefined).resume();
    dialled.push(...batch);
  }
  return dialled;
}

async function end(all: readonly TLSSocket[]): Promise<void> {
  const open = all.filter((socket) => !socket.closed);
  const closed = open.map((socket) => once(socket, "close"));
  for (const socket of open) socket.destroy();
  await Promise.all(closed);
}

const mib = (octets: number): string => (octets / 2 ** 20).toFixed(1);

/** The broker of test/support/broker/broker-process.ts and the questions it answers. */
class BrokerProcess {
  readonly port: number;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcessWithoutNullStreams, lines: AsyncIterator<string>, port: number) {
    this.#child = child;
    this.#lines = lines;
    this.port = port;
  }

  static async start(): Promise<BrokerProcess> {
    const program = join(import.meta.dirname, "../../support/broker/broker-process.ts");
    const child = spawn(process.execPath, [program]);
    child.stderr.pipe(process.stderr);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { value } = await lines.next();
    return new BrokerProcess(child, lines, JSON.parse(value ?? "").bootstrap.port);
  }

  /** The most octets resident since the last answer. */
  async peak(): Promise<number> {
    this.#child.stdin.write("?\n");
    return Number((await this.#lines.next()).value);
  }

  async stop(): Promise<void> {
    const left = once(this.#child, "exit");
    this.#child.stdin.end();
    await left;
  }
}
