import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { FleetError } from "@fleetcert/shared";
import { exchangeStates, type SocketTask } from "./socket-exchange.ts";
import { maxTpmMessageBytes, type TpmTransport } from "./transport.ts";

/**
 * The way to a TPM emulator (swtpm) over a stream socket. A thread owns the socket and this one waits for it, at most
 * `timeoutMs` (default 30 s: an emulator on a busy machine takes seconds for an RSA key). swtpm serves one client at a time: while another
 * program holds the connection, commands time out.
 */
export class SocketTransport implements TpmTransport {
  readonly #target: SocketTask["target"];
  readonly #timeoutMs: number;
  readonly #answer = new SharedArrayBuffer(maxTpmMessageBytes);
  readonly #control = new SharedArrayBuffer(8);
  readonly #words = new Int32Array(this.#control);
  #worker: Worker | undefined;

  constructor(target: SocketTask["target"], { timeoutMs = 30_000 }: { readonly timeoutMs?: number } = {}) {
    this.#target = "path" in target ? { path: target.path } : { host: target.host, port: target.port };
    this.#timeoutMs = timeoutMs;
  }

  transact(command: Uint8Array): Uint8Array {
    this.#worker ??= this.#start();
    Atomics.store(this.#words, 0, exchangeStates.pending);
    this.#worker.postMessage(command);
    if (Atomics.wait(this.#words, 0, exchangeStates.pending, this.#timeoutMs) === "timed-out") {
      this.close();
      throw new FleetError("timeout", `the TPM at ${this.#name()} did not answer within ${this.#timeoutMs} ms`, {
        hint: "look whether another program is connected to it; swtpm serves one at a time",
        retry: true,
      });
    }
    const octets = new Uint8Array(this.#answer).slice(0, Atomics.load(this.#words, 1));
    if (Atomics.load(this.#words, 0) === exchangeStates.answered) return octets;
    this.close();
    throw new FleetError("key-store-unavailable", `the TPM at ${this.#name()}: ${Buffer.from(octets).toString()}`, {
      hint: "start it, or correct its address",
      retry: true,
    });
  }

  close(): void {
    void this.#worker?.terminate();
    this.#worker = undefined;
  }

  #start(): Worker {
    const workerData: SocketTask = { target: this.#target, control: this.#control, answer: this.#answer };
    const worker = new Worker(requireWorkerFile(), { workerData });
    worker.unref();
    worker.on("error", () => this.close());
    return worker;
  }

  #name(): string {
    return "path" in this.#target ? this.#target.path : `${this.#target.host}:${this.#target.port}`;
  }
}

/** Beside the sources in a checkout, beside the bundle in a release. */
function requireWorkerFile(): URL {
  const places = [new URL("./socket-worker.ts", import.meta.url), new URL("./tpm-socket-worker.mjs", import.meta.url)];
  const file = places.find((place) => existsSync(place));
  if (file !== undefined) return file;
  throw new FleetError("key-store-missing", "the part that talks to TPM emulators is not installed", {
    hint: "put tpm-socket-worker.mjs beside the program, or use device:/dev/tpmrm0",
  });
}
