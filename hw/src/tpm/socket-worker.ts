/** The thread that owns the socket to a TPM: Node has no synchronous sockets, but a thread can wait for another. */
import { connect } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { exchangeStates, type SocketTask } from "./socket-exchange.ts";

const { target, control, answer } = workerData as SocketTask;
const words = new Int32Array(control);
const room = new Uint8Array(answer);
let received = Buffer.alloc(0);
let isWaiting = false;
let failure: string | undefined;

const socket = connect(target);
socket.setNoDelay(true);
socket.on("data", (chunk: Buffer) => {
  received = Buffer.concat([received, chunk]);
  deliver();
});
socket.on("error", (error) => fail(error.message));
socket.on("close", () => fail("the connection was closed"));

parentPort?.on("message", (command: Uint8Array) => {
  isWaiting = true;
  received = Buffer.alloc(0);
  if (failure === undefined) socket.write(command);
  else fail(failure);
});

/** A response says its own length in octets 2 to 5. */
function deliver(): void {
  const size = received.length < 6 ? undefined : received.readUInt32BE(2);
  if (size === undefined) return;
  if (size < 10 || size > room.length) fail(`a response that claims ${size} octets`);
  else if (received.length >= size) finish(exchangeStates.answered, received.subarray(0, size));
}

function fail(reason: string): void {
  failure ??= reason;
  finish(exchangeStates.failed, Buffer.from(failure.slice(0, 200)));
}

function finish(state: number, octets: Uint8Array): void {
  if (!isWaiting) return;
  isWaiting = false;
  room.set(octets);
  Atomics.store(words, 1, octets.length);
  Atomics.store(words, 0, state);
  Atomics.notify(words, 0);
}
