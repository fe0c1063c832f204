import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { bootstrapClientId } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { afterEach, describe, expect, it } from "vitest";
import { type LinkWorld, linkContract, type SeenConnect } from "../../../../test/contracts/link.ts";
import { startAgentBroker } from "../../../../test/support/broker/agent-broker.ts";
import { memoryKeyProvider } from "../../../../test/support/keys/memory-key-provider.ts";
import { testPki } from "../../../../test/support/pki/test-pki.ts";
import { MqttLink } from "./mqtt-link.ts";

async function tlsWorld(): Promise<LinkWorld> {
  const pki = await testPki();
  const server = await pki.issueLeaf({ commonName: "controller" });
  const key = await memoryKeyProvider().generate({ algorithm: "P-256", label: "device" });
  const device = await pki.issueLeaf({
    commonName: "pump-1",
    signer: { ...key, privatePem: "", sign: (m) => key.sign(m), algorithm: key.algorithm, spki: key.spki },
  });
  const chain = [server.certificate.der, pki.issuing.certificate.der, pki.root.certificate.der];
  const connects: SeenConnect[] = [];
  const publishes: { topic: string; payload: Uint8Array }[] = [];
  let isRefusing = false;
  const broker = await startAgentBroker({
    key: server.signer.privatePem,
    chain,
    accept: (connect) => {
      connects.push(connect);
      return !isRefusing;
    },
    received: ({ topic, payload }) => publishes.push({ topic, payload }),
  });
  const { operational, bootstrap } = broker.ports;
  const credential = {
    key,
    certificate: device.certificate.der,
    chain: [pki.issuing.certificate.der, pki.root.certificate.der],
    generation: 1,
  };
  return {
    link: new MqttLink({ patience: 5_000 }),
    operational: { type: "operational", host: "127.0.0.1", port: operational, device: "pump-1", credential },
    bootstrap: {
      type: "bootstrap",
      host: "127.0.0.1",
      port: bootstrap,
      clientId: bootstrapClientId(key.id),
      claim: { id: "claim0001", secret: new Uint8Array([1, 2, 3, 255]) },
    },
    chain,
    connects,
    publishes,
    refuse: () => {
      isRefusing = true;
    },
    send: broker.send,
    cut: broker.close,
    close: broker.close,
  };
}

linkContract("MQTT over TLS", tlsWorld);

describe("the MQTT link", () => {
  const open = new Set<Socket>();
  afterEach(() => {
    for (const socket of open) socket.destroy();
    open.clear();
  });

  it.each([
    ["says that it has no room", async () => overloaded()],
    ["closes without a word", async () => closing(open)],
  ])("is offline, and not turned away, when the broker %s", async (_, start) => {
    const broker = await start();
    const opening = new MqttLink({ patience: 5_000 }).open(
      { type: "bootstrap", host: "127.0.0.1", port: broker.port, clientId: `boot-${"0".repeat(40)}` },
      {
        verifyServer: () => undefined,
        events: { message: () => undefined, closed: () => undefined },
        signal: new AbortController().signal,
      },
    );
    await expect(opening).rejects.toMatchObject({ code: "offline" });
    await broker.close();
  });

  it("gives up on a server that says nothing", async () => {
    const silent = createServer((socket) => void open.add(socket)).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const link = new MqttLink({ patience: 50 });
    const opening = link.open(
      { type: "bootstrap", host: "127.0.0.1", port, clientId: `boot-${"0".repeat(40)}` },
      {
        verifyServer: () => undefined,
        events: { message: () => undefined, closed: () => undefined },
        signal: new AbortController().signal,
      },
    );
    await expect(opening).rejects.toMatchObject({ code: "timeout" });
    silent.close();
  });
});

/** A broker that judges nobody for now: too much waits already. */
async function overloaded(): Promise<{ port: number; close(): Promise<void> }> {
  const pki = await testPki();
  const server = await pki.issueLeaf({ commonName: "controller" });
  const broker = await startAgentBroker({
    key: server.signer.privatePem,
    chain: [server.certificate.der],
    accept: () => {
      throw new FleetError("rate-limited", "too much waits for the store", { retry: true });
    },
    received: () => undefined,
  });
  return { port: broker.ports.bootstrap, close: broker.close };
}

async function closing(open: Set<Socket>): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((socket) => {
    open.add(socket);
    socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { port, close: async () => void server.close() };
}
