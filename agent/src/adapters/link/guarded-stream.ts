import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { PacketLengths } from "./packet-length.ts";

/** A verified TLS socket as the MQTT client sees it; a packet above the limit ends it before anybody collects it. */
export class GuardedStream extends Duplex {
  readonly #socket: TLSSocket;
  readonly #lengths: PacketLengths;

  constructor(socket: TLSSocket, maxPacketBytes: number) {
    super();
    this.#socket = socket;
    this.#lengths = new PacketLengths(maxPacketBytes);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
    socket.pause();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    try {
      this.#lengths.follow(chunk);
    } catch (error) {
      this.destroy(error instanceof Error ? error : undefined);
      return;
    }
    if (!this.push(chunk)) this.#socket.pause();
  }
}
