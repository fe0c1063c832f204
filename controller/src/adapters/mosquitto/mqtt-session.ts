import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { FleetError } from "@fleetcert/shared";
import { connectPacket, packetsIn, pingPacket, publishPacket, subscribePacket } from "./mqtt-packets.ts";

/** Where and as whom a session is opened: by certificate over TLS, or by password on a listener of the same host. */
export type SessionTarget =
  | {
      readonly type: "tls";
      readonly host: string;
      readonly port: number;
      /** PEM of what the broker's own certificate chains to; undefined when nothing is told to the broker anyway. */
      readonly ca: string | undefined;
      /** PEM; absent for a client without a certificate. */
      readonly identity: { readonly key: string; readonly cert: string } | undefined;
      /** Of an earlier TLS session, to resume it. */
      readonly ticket?: Buffer | undefined;
    }
  | {
      readonly type: "password";
      readonly host: string;
      readonly port: number;
      readonly username: string;
      readonly password: string;
    };

/** An MQTT 3.1.1 session of QoS 0, only for looking at how a broker behaves and for ending sessions of others. */
export interface MqttSession {
  /** Topics of what came so far. */
  readonly received: readonly string[];
  subscribe(filter: string): void;
  publish(topic: string): void;
  /** Resolves when the condition holds, with whether it did in time. */
  until(condition: () => boolean, timeoutMs?: number): Promise<boolean>;
  /** Whether the broker still answers. */
  isAlive(): Promise<boolean>;
  /** Whether the broker has ended it. */
  hasEnded(): boolean;
  /** What the TLS session could be resumed with, where the broker gave something. */
  ticket(): Buffer | undefined;
  end(): void;
}

/** Opens a session; undefined when the broker refuses it in TLS or by its CONNACK. Throws `offline` when there is no broker. */
export async function openMqttSession(target: SessionTarget, clientId: string): Promise<MqttSession | undefined> {
  const socket = await openSocket(target);
  if (socket === undefined) return undefined;
  const received: string[] = [];
  let connack: number | undefined;
  let ticket: Buffer | undefined;
  socket.on("session", (given: Buffer) => {
    ticket = given;
  });
  let pings = 0;
  let isEnded = false;
  let wake: () => void = () => undefined;
  const read = packetsIn((packet) => {
    if (packet.type === "connack") connack = packet.code;
    if (packet.type === "publish") received.push(packet.topic);
    if (packet.type === "pingresp") pings += 1;
    wake();
  });
  socket.on("data", (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      socket.destroy(error as Error);
    }
  });
  const ended = (): void => {
    isEnded = true;
    wake();
  };
  socket.on("error", ended);
  socket.on("close", ended);
  const until = async (condition: () => boolean, timeoutMs = 5000): Promise<boolean> => {
    const end = performance.now() + timeoutMs;
    while (!condition() && !isEnded && performance.now() < end) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, end - performance.now()));
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return condition();
  };
  const login = target.type === "password" ? target : undefined;
  socket.write(connectPacket(clientId, login));
  await until(() => connack !== undefined);
  if (connack !== 0) {
    socket.destroy();
    return undefined;
  }
  socket.setTimeout(0);
  return {
    received,
    until,
    subscribe: (filter) => void socket.write(subscribePacket(filter)),
    publish: (topic) => void socket.write(publishPacket(topic)),
    async isAlive() {
      const before = pings;
      socket.write(pingPacket);
      return await until(() => pings > before, 2000);
    },
    hasEnded: () => isEnded,
    ticket: () => ticket,
    end: () => socket.destroy(),
  };
}

/** Undefined when the handshake is refused. Anything else that ends it is the network's or the broker's absence. */
function openSocket(target: SessionTarget): Promise<Socket | undefined> {
  const { host, port } = target;
  return new Promise((resolve, reject) => {
    const offline = (cause: Error): void =>
      reject(
        new FleetError("offline", `the broker at ${host}:${port} cannot be reached: ${cause.message}`, {
          cause,
          retry: true,
        }),
      );
    if (target.type === "password") {
      const socket = connectTcp(port, host, () => resolve(socket.off("error", offline)));
      socket.once("error", offline);
      socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error("it does not answer")));
      return;
    }
    const { ca, identity, ticket } = target;
    let isConnected = false;
    const socket = connectTls({
      host,
      port,
      ...identity,
      ...(ca !== undefined && { ca }),
      ...(ticket !== undefined && { session: ticket }),
      rejectUnauthorized: ca !== undefined,
    });
    socket.setNoDelay(true);
    socket.once("connect", () => {
      isConnected = true;
    });
    socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error("it does not answer")));
    socket.once("secureConnect", () => resolve(socket));
    socket.once("close", () => resolve(undefined));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (!isConnected || isOurs(error)) offline(error);
      else resolve(undefined);
    });
  });
}

/** What our own look at the broker's certificate found; the broker has refused nothing then. */
const isOurs = ({ code = "" }: NodeJS.ErrnoException): boolean => /CERT|ALTNAME|SELF_SIGNED/.test(code);
const connectTimeoutMs = 10_000;
