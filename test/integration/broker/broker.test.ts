import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { FleetError, sha256Hex } from "@fleetcert/shared";
import { connectAsync } from "mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { pingPacket, publishPacket, subscribePacket } from "../../support/broker/mqtt-packets.ts";
import { type TlsBroker, tlsBroker } from "../../support/broker/tls-broker.ts";
import { type ClientMaterial, type TlsMaterial, tlsMaterial } from "../../support/pki/tls-material.ts";
import { until } from "../../support/until.ts";

const bootId = `boot-${"0".repeat(40)}`;
const down = "fleetcert/1/device/pump-1/down/received";
let material: TlsMaterial;
let pump: ClientMaterial;
let open: TlsBroker[] = [];

beforeAll(async () => {
  material = await tlsMaterial();
  pump = await material.issueClient("pump-1");
});

afterEach(async () => {
  await Promise.all(open.map((broker) => broker.close()));
  open = [];
});

afterAll(() => expect(open).toEqual([]));

async function openBroker(options?: Parameters<typeof tlsBroker>[1]): Promise<TlsBroker> {
  const broker = await tlsBroker(material, options);
  open.push(broker);
  return broker;
}

describe("the operational listener", () => {
  it("serves mqtt.js over mutual TLS 1.3: subscribe, publish, receive, leave", async () => {
    const broker = await openBroker();
    const { port } = broker.endpoints.operational;
    const client = await connectAsync({
      ...pump.tls,
      protocol: "mqtts",
      host: "127.0.0.1",
      port,
      clientId: "pump-1",
      rejectUnauthorized: false,
    });
    expect(await client.subscribeAsync("fleetcert/1/device/pump-1/down/#", { qos: 1 })).toMatchObject([{ qos: 1 }]);
    await client.publishAsync("fleetcert/1/device/pump-1/up/report", "hello", { qos: 1 });
    expect(broker.events.received).toMatchObject([{ payload: "hello", peer: { device: "pump-1" } }]);
    const message = new Promise<Buffer>((resolve) => client.once("message", (_topic, payload) => resolve(payload)));
    await broker.publish({ topic: down, payload: Buffer.from("noted"), retain: false });
    expect((await message).toString()).toBe("noted");
    await client.endAsync();
    await until(() => broker.events.presence.length === 2);
    expect(broker.events.presence).toEqual(["+pump-1", "-pump-1"]);
  });

  it("reads nothing that comes while a CONNECT is judged, and all of it afterwards", async () => {
    const judged = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const answers = {
      async authenticateOperational() {
        asked.resolve();
        await judged.promise;
        return { type: "operational", device: "pump-1", certificateSha256: "" } as const;
      },
    };
    const broker = await openBroker({ answers });
    const client = await broker.dial("operational", pump.tls);
    const accepted = client.connect({ clientId: "pump-1" });
    await asked.promise;
    const topic = "fleetcert/1/device/pump-1/up/report";
    const messages = Array.from({ length: 100 }, (_, at) =>
      publishPacket({ topic, payload: Buffer.alloc(60_000), packetId: at + 1 }),
    );
    client.send(...messages);
    await sleep(300);
    // What the two kernels do not hold stays with the client: nobody reads it.
    expect(client.stream.writableLength).toBeGreaterThan(0);
    expect(client.isClosed).toBe(false);
    judged.resolve();
    expect(await accepted).toBe(0);
    await until(() => broker.events.received.length === messages.length);
  });

  it("hands nothing over on a topic that is not of the protocol", async () => {
    const broker = await openBroker();
    for (const topic of ["$SYS/x", "fleetcert/1/device/+/down/issued", "a"]) {
      const published = broker.publish({ topic, payload: Buffer.from("x"), retain: true });
      await expect(published).rejects.toMatchObject({ code: "internal" });
    }
  });

  it("closes a client without certificate before a word of MQTT", async () => {
    const broker = await openBroker();
    const client = await broker.dial("operational");
    await client.closed;
    expect(broker.events.seen).toEqual([]);
    expect(broker.log.lines[0]).toContain("no certificate presented");
  });

  it("hands the chain over as it was presented, whatever OpenSSL thinks of it", async () => {
    const chains: string[][] = [];
    const broker = await openBroker({
      answers: {
        async authenticateOperational({ chain }) {
          chains.push(chain.map(sha256Hex));
          throw new FleetError("path-invalid", "not ours");
        },
      },
    });
    const stranger = await tlsMaterial();
    const expired = await stranger.pki.issueLeaf({ commonName: "pump-1", notAfter: Date.UTC(2026, 5, 2) });
    const wrongOrder = [expired, stranger.pki.root, stranger.pki.issuing].map(({ certificate }) => certificate.der);
    const client = await broker.dial("operational", { cert: pem(wrongOrder), key: expired.signer.privatePem });
    expect(await client.connect({ clientId: "pump-1" })).toBe(5);
    expect(chains).toEqual([wrongOrder.map(sha256Hex)]);
  });

  it("refuses more or larger certificates than allowed before a word of MQTT", async () => {
    const broker = await openBroker({ limits: { certificates: 2, certificateBytes: 1024 } });
    const { issuing, root } = material.pki;
    const three = pump.tls.cert + pem([root.certificate.der]);
    await (await broker.dial("operational", { ...pump.tls, cert: three })).closed;
    const names = Array.from({ length: 60 }, (_, at) => ({ dns: `name-${at}.plant.example` }));
    const large = await material.pki.issueLeaf({ subjectAlternativeNames: names });
    const cert = pem([large.certificate.der, issuing.certificate.der]);
    await (await broker.dial("operational", { cert, key: large.signer.privatePem })).closed;
    expect(broker.events.seen).toEqual([]);
    expect(broker.log.lines).toHaveLength(2);
  });

  it("speaks TLS 1.2 with modern suites and nothing older", async () => {
    const broker = await openBroker();
    const modern = await broker.dial("operational", { ...pump.tls, maxVersion: "TLSv1.2" });
    expect(await modern.connect({ clientId: "pump-1" })).toBe(0);
    const weak = { maxVersion: "TLSv1.2", ciphers: "AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0" } as const;
    await expect(broker.dial("operational", { ...pump.tls, ...weak })).rejects.toThrow();
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" } as const;
    await expect(broker.dial("operational", { ...pump.tls, ...old })).rejects.toThrow();
  });

  it("closes a silent client after one and a half keep-alives, also one that asked for none", async () => {
    const broker = await openBroker({ limits: { keepAlive: 1_000 } });
    const silent = await broker.dial("operational", pump.tls);
    expect(await silent.connect({ clientId: "pump-1", keepAlive: 0 })).toBe(0);
    const lively = await broker.dial("operational", pump.tls);
    expect(await lively.connect({ clientId: "pump-2", keepAlive: 1 })).toBe(0);
    const alive = setInterval(
      () => lively.send(publishPacket({ topic: "fleetcert/1/device/pump-2/up/report", payload: "x" })),
      500,
    );
    await silent.closed;
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(lively.isClosed).toBe(false);
    clearInterval(alive);
    await lively.closed;
  });

  it("hands over a revocation list of 200 parts that is asked for in one SUBSCRIBE", async () => {
    const broker = await openBroker();
    const parts = Array.from(
      { length: 200 },
      (_, at) => `fleetcert/1/fleet/revocation/${"ab".repeat(32)}/0/crl/7/${at}`,
    );
    const payload = Buffer.alloc(48 * 1024, 1);
    for (const topic of parts) await broker.publish({ topic, payload, retain: true });
    const client = await broker.dial("operational", pump.tls);
    await client.connect({ clientId: "pump-1" });
    client.send(subscribePacket(1, ...parts));
    // A client that reads late is no client that does not read: 9.6 MB are more than may wait for it.
    client.stream.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    client.stream.resume();
    const got: (string | undefined)[] = [];
    do got.push((await client.nextMessage())?.topic);
    while (got.length < parts.length && got.at(-1) !== undefined);
    expect(got).toEqual(parts);
  });

  it("judges every CONNECT anew: a revoked certificate is refused when it comes back", async () => {
    const revoked = new Set<string>();
    const broker = await openBroker({
      answers: {
        async authenticateOperational({ chain, clientId }) {
          const certificateSha256 = sha256Hex(chain[0] ?? new Uint8Array());
          if (revoked.has(certificateSha256)) throw new FleetError("denied", "revoked");
          return { type: "operational", device: clientId, certificateSha256 };
        },
      },
    });
    const client = await broker.dial("operational", pump.tls);
    expect(await client.connect({ clientId: "pump-1" })).toBe(0);
    revoked.add(sha256Hex(pump.der));
    expect(await broker.dropSessions("pump-1", sha256Hex(pump.der))).toBe(1);
    await client.closed;
    expect(await (await broker.dial("operational", pump.tls)).connect({ clientId: "pump-1" })).toBe(5);
    expect(await broker.dropSessions("pump-1")).toBe(0);
  });
});

describe("the bootstrap listener", () => {
  it("serves claims without a client certificate and presents its chain up to the root", async () => {
    const broker = await openBroker();
    const client = await broker.dial("bootstrap");
    expect(client.stream.getPeerX509Certificate()?.issuerCertificate?.issuerCertificate?.raw).toEqual(
      Buffer.from(material.pki.root.certificate.der),
    );
    expect(await client.connect({ clientId: bootId, username: "claim1", password: "secret" })).toBe(0);
    client.send(subscribePacket(1, `fleetcert/1/bootstrap/${bootId}/down/#`));
    await client.nextOf(0x90);
    client.send(publishPacket({ topic: `fleetcert/1/bootstrap/${bootId}/up/enrol`, payload: "csr", packetId: 2 }));
    await client.nextOf(0x40);
    await broker.publish({ topic: `fleetcert/1/bootstrap/${bootId}/down/issued`, payload: pump.der, retain: false });
    expect((await client.nextMessage())?.payload).toEqual(Buffer.from(pump.der));
  });

  it("is a namespace of its own: a device of the same name takes nothing over and reads nothing", async () => {
    const broker = await openBroker();
    const client = await broker.dial("bootstrap");
    await client.connect({ clientId: bootId, username: "claim1", password: "secret" });
    client.send(subscribePacket(1, `fleetcert/1/bootstrap/${bootId}/down/#`));
    await client.nextOf(0x90);
    const device = await broker.dial("operational", pump.tls);
    expect(await device.connect({ clientId: bootId })).toBe(0);
    device.send(subscribePacket(1, `fleetcert/1/bootstrap/${bootId}/down/#`));
    expect((await device.nextOf(0x90))?.body[2]).toBe(0x80);
    client.send(pingPacket);
    expect(await client.nextOf(0xd0)).toBeDefined();
  });
});

describe("replacing the broker's certificate", () => {
  it("serves new sessions with it and keeps live ones; a wrong one changes nothing", async () => {
    const broker = await openBroker();
    const live = await broker.dial("operational", pump.tls);
    await live.connect({ clientId: "pump-1" });
    const next = await material.issueServer("broker 2");
    await broker.replaceCertificate(next);
    await expect(broker.replaceCertificate({ ...next, tlsKey: pump.tls.key })).rejects.toMatchObject({
      code: "certificate-invalid",
    });
    for (const listener of ["operational", "bootstrap"] as const) {
      const client = await broker.dial(listener, pump.tls);
      expect(client.stream.getPeerX509Certificate()?.raw).toEqual(Buffer.from(next.chain[0] ?? []));
      client.stream.destroy();
    }
    live.send(pingPacket);
    expect(await live.nextOf(0xd0)).toBeDefined();
  });
});

describe("limits of connections", () => {
  it("close a handshake that trickles past its deadline", async () => {
    const broker = await openBroker({ limits: { handshakeTimeout: 300 } });
    const client = broker.dialTcp("bootstrap");
    const trickle = setInterval(() => client.send(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01].slice(0, 1))), 20);
    await client.closed;
    clearInterval(trickle);
    expect(broker.events.seen).toEqual([]);
  });

  it("close a CONNECT that trickles past its deadline", async () => {
    const broker = await openBroker({ limits: { connectTimeout: 300 } });
    const client = await broker.dial("bootstrap");
    client.send(Buffer.from([0x10, 0x7f]));
    const trickle = setInterval(() => client.send(Buffer.from([0])), 20);
    await client.closed;
    clearInterval(trickle);
    expect(broker.log.lines).toEqual(["client dropped: no CONNECT within 300 ms"]);
  });

  it("turn away who has too many connections that are not accepted, over both listeners, and log it once", async () => {
    const broker = await openBroker({ limits: { pendingPerAddress: 2 } });
    const held = [broker.dialTcp("bootstrap"), broker.dialTcp("operational")];
    await Promise.all(held.map((client) => once(client.stream, "connect")));
    const refused = [broker.dialTcp("bootstrap"), broker.dialTcp("operational")];
    await Promise.all(refused.map((client) => client.closed));
    expect(broker.log.lines).toEqual(["connections turned away: the limits leave no place: "]);
    held[0]?.stream.destroy();
    held[1]?.stream.destroy();
    await Promise.all(held.map((client) => client.closed));
    const client = await broker.dial("operational", pump.tls);
    expect(await client.connect({ clientId: "pump-1" })).toBe(0);
  });
});

describe("opening and closing", () => {
  it("says which address cannot be listened on, and leaves nothing open", async () => {
    const broker = await openBroker();
    const taken = broker.endpoints.operational;
    const { openEmbeddedBroker } = await import("../../../controller/src/adapters/broker/open-embedded-broker.ts");
    const again = openEmbeddedBroker({
      operational: { host: "127.0.0.1", port: 0 },
      bootstrap: taken,
      certificate: material.server,
      events: broker.events,
      clock: { now: () => 0, monotonic: () => 0 },
      log: { info: () => undefined, warn: () => undefined },
    });
    await expect(again).rejects.toMatchObject({ code: "config-invalid" });
  });

  it("ends every session and tells the controller before it resolves", async () => {
    const broker = await tlsBroker(material);
    const client = await broker.dial("operational", pump.tls);
    await client.connect({ clientId: "pump-1" });
    await until(() => broker.events.presence.length === 1);
    await broker.close();
    await client.closed;
    expect(broker.events.presence).toEqual(["+pump-1", "-pump-1"]);
    await expect(broker.dial("operational", pump.tls)).rejects.toThrow();
  });
});

function pem(chain: readonly Uint8Array[]): string {
  const block = (der: Uint8Array): string =>
    `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`;
  return chain.map(block).join("");
}
