import { spawn } from "node:child_process";
import { once } from "node:events";
import { end, openAgentBed, startUntilConnected } from "./agent-bed.ts";
import { median } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * From the start of the bundled agent's process to the SUBACK of its standing subscriptions, with a controller that runs: a
 * key on SoftHSM2, and one in memory, whose passphrase is stretched first. Against a Node that starts, shakes hands with the
 * same listener and ends.
 */
export async function bench(): Promise<Row[]> {
  const bed = await openAgentBed();
  try {
    const { port } = bed.controller.endpoints.operational;
    const handshake = await medianStart(async () => {
      const child = spawn(process.execPath, ["-e", handshakeWith(port)], { stdio: "ignore" });
      await once(child, "exit");
    });
    const of = `Node ${process.version} to a TLS handshake`;
    const rows: Row[] = [{ name: of, value: handshake, unit: "ms" }];
    for (const [keys, name] of Object.entries({ pkcs11: "key on SoftHSM2", software: "key in memory" } as const)) {
      const args = await bed.enrol(keys, keys as "pkcs11" | "software");
      const value = await medianStart(async () => {
        const child = await startUntilConnected(bed.program, args);
        return () => end(child);
      });
      rows.push({ name: `agent-start, ${name}`, value, unit: "ms", ratio: value / handshake, of });
    }
    return rows;
  } finally {
    await bed.close();
  }
}

/** Milliseconds, the median of seven after one; what `start` gives back is done outside the measured time. */
async function medianStart(start: () => Promise<(() => Promise<void>) | void>): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < 8; count++) {
    const before = performance.now();
    const finish = await start();
    times.push(performance.now() - before);
    if (finish !== undefined) await finish();
  }
  return median(times.slice(1));
}

function handshakeWith(port: number): string {
  const options = JSON.stringify({ host: "127.0.0.1", port, rejectUnauthorized: false, minVersion: "TLSv1.3" });
  return `require("node:tls").connect(${options}).once("secureConnect", () => process.exit())`;
}
