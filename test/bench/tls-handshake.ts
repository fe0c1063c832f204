import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect, createSecureContext, createServer, type SecureContext, type Server } from "node:tls";
import { openKeyProvider, openTlsKeyHandle } from "@fleetcert/hw";
import type { OpenKeyProvider } from "@fleetcert/shared";
import type { TpmKey } from "../../hw/src/tpm/tpm-key.ts";
import { startSoftHsm } from "../support/keys/softhsm.ts";
import { startSwtpm } from "../support/keys/swtpm.ts";
import { type TestPki, testPki } from "../support/pki/test-pki.ts";
import {
  certificateChain,
  providerIdentity,
  rootPem,
  softwareIdentity,
  type TlsIdentity,
} from "../support/pki/tls-identity.ts";
import { quartilesInTurn } from "./measure.ts";
import type { Row } from "./run.ts";

/**
 * Full mutual TLS 1.3 handshakes on loopback, both sides in this process, until the first application data is back: with
 * the client's key in SoftHSM2 and in swtpm against one of the same kind in memory, one after the other in the same run.
 * The goals are at most 1.3 and 1.6. And how long nothing else runs while a slow TPM signs, which it does inside of OpenSSL.
 */
export async function bench(): Promise<Row[]> {
  const hsm = startSoftHsm();
  process.once("exit", () => hsm.remove());
  const { tokenLabel, pin } = hsm.createToken();
  const token = await openKeyProvider({ kind: "pkcs11", modulePath: hsm.modulePath, tokenLabel, pin: () => pin });
  const emulator = await startSwtpm();
  const tpm = await openKeyProvider({
    kind: "tpm",
    tpm: emulator.address,
    directory: join(emulator.directory, "keys"),
  });
  const pki = await testPki();
  const server = await startServer(pki);
  try {
    const rows = await handshakes(pki, server, { SoftHSM2: token, swtpm: tpm });
    return [...rows, ...(await slowSigner(pki, server, tpm))];
  } finally {
    server.close();
    await token.close();
    await tpm.close();
    await emulator.stop();
  }
}

async function handshakes(
  pki: TestPki,
  server: Server,
  providers: Readonly<Record<string, OpenKeyProvider>>,
): Promise<Row[]> {
  const clients: { name: string; of: string; identity: TlsIdentity }[] = [];
  for (const algorithm of ["P-256", "RSA-2048"] as const) {
    const of = `tls-handshake, ${algorithm} in memory`;
    clients.push({ name: of, of, identity: await softwareIdentity(pki, "client", { algorithm }) });
    for (const [place, provider] of Object.entries(providers)) {
      const key = await provider.generate({ algorithm, label: "bench" });
      const name = `tls-handshake, ${algorithm} in ${place}`;
      clients.push({ name, of, identity: await providerIdentity(pki, key, "client") });
    }
  }
  // Made once, as an agent makes it: reading a key in memory from its PEM takes longer than reading a handle.
  const contexts = clients.map(({ identity }) => contextOf(pki, identity));
  const times = await quartilesInTurn(contexts.map((context) => () => handshake(server, context)));
  const timeOf = new Map(clients.map(({ name }, at) => [name, times[at] ?? 0]));
  return clients.map(({ name, of }) => {
    const value = timeOf.get(name) ?? 0;
    const row = { name, value, unit: "ms" };
    return name === of ? row : { ...row, ratio: value / (timeOf.get(of) ?? 0), of };
  });
}

/** A signer that takes as long as a discrete TPM may: timers stand still for that long, and go on afterwards. */
async function slowSigner(pki: TestPki, server: Server, tpm: OpenKeyProvider): Promise<Row[]> {
  const key = (await tpm.generate({ algorithm: "P-256", label: "slow" })) as TpmKey;
  const handle = openTlsKeyHandle(key.spki, (request) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, slowMs);
    return key.signDigest(request);
  });
  const context = contextOf(pki, { key: handle.pem, cert: await certificateChain(pki, key, { commonName: "slow" }) });
  let last = performance.now();
  let stall = 0;
  let ticks = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    stall = Math.max(stall, now - last);
    last = now;
    ticks += 1;
  }, 1);
  for (let count = 0; count < 5; count++) await handshake(server, context);
  clearInterval(timer);
  handle.close();
  if (ticks === 0) throw new Error("no timer ran between the handshakes");
  return [
    { name: "event loop stall, 250 ms signer", value: stall, unit: "ms", ratio: stall / slowMs, of: "the signer" },
  ];
}

function contextOf(pki: TestPki, client: { readonly key: string; readonly cert: string }): SecureContext {
  return createSecureContext({ ca: rootPem(pki), ...client, minVersion: "TLSv1.3" });
}

async function startServer(pki: TestPki): Promise<Server> {
  const identity = { ca: rootPem(pki), ...(await softwareIdentity(pki, "server")) };
  const server = createServer({ ...identity, minVersion: "TLSv1.3", requestCert: true, rejectUnauthorized: true });
  server.on("secureConnection", (socket) => socket.end("seen"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function handshake(server: Server, secureContext: SecureContext): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ secureContext, port, host: "127.0.0.1", checkServerIdentity: () => undefined });
  await once(socket, "data");
  socket.destroy();
}

const slowMs = 250;
