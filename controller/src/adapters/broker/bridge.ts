import { Duplex } from "node:stream";

/** The stream aedes is given instead of a socket. */
export interface Bridge {
  readonly stream: Duplex;
  /** Hands one checked packet to aedes; resolves when it took it, or never will because the stream is closed. */
  feed(packet: Uint8Array): Promise<void>;
  /** Octets held for the client because the network has not taken them, bookkeeping included. */
  outgoingBytes(): number;
  /** Resolves when at most that many octets are held: with true, or with false because the stream is closed. */
  untilHolding(atMost: number): Promise<boolean>;
}

/**
 * Stands between a client's socket and aedes: inwards only checked packets pass, one at a time; outwards a write never
 * makes aedes wait, because one waiting client stalls all others (STACK.md trap 2). Whoever writes has to look at
 * `outgoingBytes` and destroy the stream of a client that does not read.
 */
export function bridgeTo(socket: Duplex): Bridge {
  let wake: (() => void) | undefined;
  const taken = (): void => {
    wake?.();
    wake = undefined;
  };
  let writes = 0;
  let pacing: (() => void)[] = [];
  const stir = (): void => {
    const stirred = pacing;
    pacing = [];
    for (const resume of stirred) resume();
  };
  const send = (chunk: Uint8Array): void => {
    if (!socket.writable) return;
    writes++;
    socket.write(chunk, () => {
      writes--;
      stir();
    });
  };
  const stream = new Duplex({
    readableHighWaterMark: 1,
    writableHighWaterMark: Number.MAX_SAFE_INTEGER,
    read: taken,
    write(chunk: Uint8Array, _encoding, done) {
      send(chunk);
      done();
    },
    writev(chunks, done) {
      for (const chunk of joined(chunks.map((each) => each.chunk))) send(chunk);
      done();
    },
    destroy(error, done) {
      socket.destroy();
      taken();
      stir();
      done(error);
    },
  });
  const outgoingBytes = (): number => stream.writableLength + socket.writableLength + writes * writeOverhead;
  return {
    stream,
    async feed(packet) {
      if (stream.destroyed || stream.push(packet)) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    },
    outgoingBytes,
    async untilHolding(atMost) {
      while (!stream.destroyed && outgoingBytes() > atMost) {
        await new Promise<void>((resume) => {
          pacing.push(resume);
        });
      }
      return !stream.destroyed;
    },
  };
}

/** Aedes writes a packet in up to six pieces; small neighbours go out as one, payloads stay shared between clients. */
function joined(chunks: readonly Uint8Array[]): Uint8Array[] {
  const result: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  const flush = (): void => {
    if (small.length > 0) result.push(Buffer.concat(small));
    small = [];
  };
  for (const chunk of chunks) {
    if (chunk.length < largeChunk) {
      small.push(chunk);
      continue;
    }
    flush();
    result.push(chunk);
  }
  flush();
  return result;
}

const largeChunk = 1024;
/** What Node holds beside the octets of one waiting write, about. */
const writeOverhead = 256;
