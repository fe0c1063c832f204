import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { FleetError } from "@fleetcert/shared";
import { tlsBroker } from "./tls-broker.ts";
import { tlsMaterial } from "./tls-material.ts";

/**
 * A broker in a process of its own, so that its memory is nobody else's (run with --expose-gc). It prints its endpoints as
 * one line of JSON; each line `settle` is answered with the resident octets after garbage collection, each line `peak`
 * with the highest ones since the last answer. No claim is any good; one of "undecided" is judged for ever. It leaves when its input ends.
 */
const broker = await tlsBroker(await tlsMaterial(), {
  limits: {
    connectTimeout: 300_000,
    handshakeTimeout: 300_000,
    authenticateTimeout: 300_000,
    pendingPerAddress: 10_000,
  },
  answers: {
    async authenticateBootstrap({ username }) {
      if (username === "undecided") await new Promise(() => undefined);
      throw new FleetError("claim-invalid", "no such claim");
    },
  },
});
let peak = 0;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 20);
process.stdout.write(`${JSON.stringify(broker.endpoints)}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${line === "settle" ? await settled() : peak}\n`);
  peak = 0;
}
clearInterval(watch);
await broker.close();

async function settled(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.();
    await sleep(100);
  }
  return process.memoryUsage.rss();
}
