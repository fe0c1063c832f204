import { createInterface } from "node:readline";
import { FleetError } from "@fleetcert/shared";
import { tlsMaterial } from "../pki/tls-material.ts";
import { tlsBroker } from "./tls-broker.ts";

/**
 * A broker in a process of its own, so that its memory is nobody else's. It prints its endpoints as one line of JSON and
 * answers every line with the most octets that were resident since the last answer. No claim is any good; one of
 * "undecided" is judged for ever. It leaves when its input ends.
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

for await (const _line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${peak}\n`);
  peak = 0;
}
clearInterval(watch);
await broker.close();
