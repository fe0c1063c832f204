import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { FleetError } from "@fleetcert/shared";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { testPki } from "../../../../test/support/pki/test-pki.ts";
import { softwareIdentity, type TlsIdentity } from "../../../../test/support/pki/tls-identity.ts";
import { type LinkOptions, openBrokerLink } from "./broker-link.ts";
import { confirmedPublishPacket } from "./mqtt-packets.ts";

/** What a broker says to each packet it gets, by the packet's type. */
type Answers = (type: number, packet: Buffer, socket: TLSSocket) => void;

describe("the controller's session with an external broker", () => {
  let identity: TlsIdentity;
  let server: Server;
  let answers: Answers;
  const heard: Buffer[] = [];

  beforeAll(async () => {
    identity = await softwareIdentity(await testPki(), "broker");
    server = createServer({ key: identity.key, cert: identity.cert }, (socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (packet: Buffer) => {
        heard.push(packet);
        answers((packet[0] ?? 0) >> 4, packet, socket);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => heard.splice(0));
  afterAll(() => server.close());

  const open = (changes: Partial<LinkOptions> = {}) =>
    openBrokerLink({
      ...{ host: "127.0.0.1", port: (server.address() as AddressInfo).port, identity, clientId: "controller-1" },
      ...{ verifyServer: () => undefined, receive: async () => undefined },
      ...changes,
    });

  it("says nothing to a broker whose certificate is not its", async () => {
    const wrong = new FleetError("path-invalid", "of another fleet");
    answers = () => undefined;
    const verifyServer = () => {
      throw wrong;
    };
    const gone = once(server, "connection").then(([socket]) => once(socket as Socket, "close"));
    await expect(open({ verifyServer })).rejects.toBe(wrong);
    await gone;
    expect(heard).toEqual([]);
  });

  it.each([
    ["refuses us", connack(5), "denied"],
    ["does not speak MQTT", Buffer.alloc(64, 0xff), "offline"],
    ["sends more than any message of ours", Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]), "offline"],
    ["sends a packet that is cut short", Buffer.from([0x40, 1, 0]), "offline"],
  ])("ends in a typed error when the broker %s", async (_, said, code) => {
    answers = (_type, _packet, socket) => void socket.write(said);
    await expect(open()).rejects.toMatchObject({ code });
  });

  it("tells which messages the broker has, and that of the others nothing is known when the session ends", async () => {
    answers = (type, packet, socket) => {
      if (type === connect) socket.write(connack(0));
      if (type === publish && packet.includes("first")) socket.write(puback(1));
      if (type === publish && packet.includes("second")) socket.destroy();
    };
    const link = await open();
    const message = (text: string) => ({ topic: "t", payload: Buffer.from(text), retain: true });
    await link.publish(message("first"));
    await expect(link.publish(message("second"))).rejects.toMatchObject({ code: "offline", retry: true });
    await link.ended;
    await expect(link.publish(message("third"))).rejects.toMatchObject({ code: "offline" });
  });

  it("says when it may not subscribe", async () => {
    answers = (type, _packet, socket) => {
      if (type === connect) socket.write(connack(0));
      if (type === subscribe) socket.write(Buffer.from([0x90, 3, 0, 1, 0x80]));
    };
    const link = await open();
    await expect(link.subscribe("fleetcert/1/device/+/up/+")).rejects.toMatchObject({ code: "denied" });
    link.close();
  });

  it("acknowledges a message when it is durable, not before (I10)", async () => {
    const durable = Promise.withResolvers<void>();
    const received: string[] = [];
    let broker: TLSSocket | undefined;
    answers = (type, _packet, socket) => {
      broker = socket;
      if (type === connect) socket.write(connack(0));
    };
    const link = await open({
      async receive({ topic }) {
        received.push(topic);
        await durable.promise;
      },
    });
    const message = { topic: "fleetcert/1/device/d1/up/report", payload: Buffer.from("x"), retain: false };
    broker?.write(confirmedPublishPacket({ ...message, packetId: 7 }));
    await vi.waitFor(() => expect(received).toEqual([message.topic]));
    expect(heard.filter((packet) => packet[0] === 0x40)).toEqual([]);
    durable.resolve();
    await vi.waitFor(() => expect(heard.at(-1)).toEqual(puback(7)));
    link.close();
  });

  it("reads no more while much is under way, and goes on afterwards", async () => {
    const waiting: (() => void)[] = [];
    let broker: TLSSocket | undefined;
    answers = (type, _packet, socket) => {
      broker = socket;
      if (type === connect) socket.write(connack(0));
    };
    const link = await open({ receive: () => new Promise<void>((resolve) => void waiting.push(resolve)) });
    const payload = Buffer.alloc(20_000);
    for (let packetId = 1; packetId <= 1000; packetId++)
      broker?.write(confirmedPublishPacket({ topic: "t", payload, retain: false, packetId }));
    await vi.waitFor(() => expect(waiting.length).toBeGreaterThanOrEqual(256));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(waiting.length).toBeLessThan(300);
    for (let done = 0; done < 1000; done++) {
      await vi.waitFor(() => expect(waiting.length).toBeGreaterThan(done), { interval: 1 });
      waiting[done]?.();
    }
    link.close();
  });
});

const connack = (code: number): Buffer => Buffer.from([0x20, 2, 0, code]);
const puback = (packetId: number): Buffer => Buffer.from([0x40, 2, packetId >> 8, packetId & 0xff]);
const [connect, publish, subscribe] = [1, 3, 8];
