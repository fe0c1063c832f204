// Loaded before a program (NODE_OPTIONS=--import): writes what its TLS sockets carry, in the clear, into FLEETCERT_TAP,
// one file for each socket and direction.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { TLSSocket } from "node:tls";

const folder = process.env["FLEETCERT_TAP"] ?? "";
const numbers = new WeakMap<TLSSocket, number>();
let sockets = 0;

const { write, push } = TLSSocket.prototype;

TLSSocket.prototype.write = function (this: TLSSocket, ...args: unknown[]): boolean {
  record(this, "sent", args[0]);
  return Reflect.apply(write, this, args);
};

TLSSocket.prototype.push = function (this: TLSSocket, ...args: unknown[]): boolean {
  record(this, "received", args[0]);
  return Reflect.apply(push, this, args);
};

function record(socket: TLSSocket, direction: string, chunk: unknown): void {
  if (typeof chunk !== "string" && !(chunk instanceof Uint8Array)) return;
  let number = numbers.get(socket);
  if (number === undefined) {
    sockets += 1;
    number = sockets;
    numbers.set(socket, number);
  }
  appendFileSync(join(folder, `${process.pid}-${number}-${direction}`), chunk);
}
