import { openSlowToken, stallDuring } from "../support/keys/slow-token.ts";
import { testPki } from "../support/pki/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity } from "../support/pki/tls-identity.ts";
import { tlsHandshake } from "../support/pki/tls-pair.ts";
import { median } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * How long the event loop stands still while a token takes 250 ms for a signature: in a full TLS 1.3 handshake, which cannot
 * wait, and when a message is signed on the thread pool. Medians of 7.
 */
export async function bench(): Promise<Row[]> {
  const token = await openSlowToken();
  try {
    const pki = await testPki();
    const client = await providerIdentity(pki, token.key, "slow");
    const server = await softwareIdentity(pki, "server");
    const handshake = () => tlsHandshake({ client, server, ca: rootPem(pki), version: "TLSv1.3" });
    const works: Readonly<Record<string, () => Promise<unknown>>> = {
      "event loop stall, TLS handshake, fast token": handshake,
      "event loop stall, TLS handshake, 250 ms token": handshake,
      "event loop stall, message signed, 250 ms token": () => token.key.sign(Buffer.from("message")),
    };
    const rows: Row[] = [];
    for (const [name, work] of Object.entries(works)) {
      token.takes(name.includes("250 ms") ? 250 : 0);
      const stalls: number[] = [];
      for (let round = 0; round < 7; round++) stalls.push((await stallDuring(work)).longestMs);
      rows.push({ name, value: median(stalls), unit: "ms" });
    }
    return rows;
  } finally {
    await token.close();
  }
}
