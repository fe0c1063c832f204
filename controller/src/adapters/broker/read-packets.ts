import type { Duplex } from "node:stream";
import { type Frame, type FrameLimits, PacketSplitter } from "./packet-splitter.ts";
import { type ClientPacket, readPacket } from "./read-packet.ts";

/** A packet and the octets it was read from. */
export interface ReceivedPacket {
  readonly packet: ClientPacket;
  readonly bytes: Uint8Array;
  /** Octets behind it that have been read already. */
  readonly behind: number;
}

/**
 * Reads checked packets from a stream, no faster than they are asked for. The end of the stream ends it.
 *
 * @throws FleetError `message-invalid`, `message-too-large`; or the stream's own error
 */
export async function* readPackets(stream: Duplex, limits: FrameLimits): AsyncGenerator<ReceivedPacket, void, void> {
  const splitter = new PacketSplitter(limits);
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    splitter.push(chunk);
    // What a session sent before it was dropped, but was not yet looked at, must not count any more.
    for (let frame = splitter.next(); frame !== undefined && !stream.destroyed; frame = splitter.next()) {
      yield received(frame, splitter.waiting);
    }
  }
}

function received(frame: Frame, behind: number): ReceivedPacket {
  return { packet: readPacket(frame), bytes: frame.bytes, behind };
}
