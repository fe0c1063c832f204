import type { TLSSocket } from "node:tls";
import { type Duration, FleetError } from "@fleetcert/shared";
import type { IClientOptions } from "mqtt";
import mqttClient from "mqtt/lib/client";
import type { Link, Session, SessionEvents, SessionRequest } from "../../ports.ts";
import { GuardedStream } from "./guarded-stream.ts";
import { MqttSession } from "./mqtt-session.ts";
import { connectionError, openVerifiedSocket } from "./verified-socket.ts";

/** MQTT 3.1.1 over TLS 1.3. The socket is opened and its peer verified first; only then is it handed to the MQTT client. */
export class MqttLink implements Link {
  readonly #patience: Duration;

  /** `patience` bounds name look-up, TCP and TLS together, and CONNACK after them. */
  constructor({ patience }: { readonly patience: Duration }) {
    this.#patience = patience;
  }

  async open(request: SessionRequest, { verifyServer, events, signal }: Parameters<Link["open"]>[1]): Promise<Session> {
    const { host, port, credential } = request;
    const peer = `${host}:${port}`;
    const socket = await withPatience(this.#patience, { signal, what: `TLS with ${peer}` }, (until) =>
      openVerifiedSocket({ host, port, credential, verifyServer, signal: until }),
    );
    return withPatience(this.#patience, { signal, what: `CONNACK of ${peer}` }, (until) =>
      connectMqtt(socket, { request, events, peer, signal: until }),
    );
  }
}

interface ConnectOptions {
  readonly request: SessionRequest;
  readonly events: SessionEvents;
  readonly peer: string;
  readonly signal: AbortSignal;
}

function connectMqtt(socket: TLSSocket, { request, events, peer, signal }: ConnectOptions): Promise<Session> {
  return new Promise((resolve, reject) => {
    const stream = new GuardedStream(socket, maxPacketBytes);
    const client = new MqttClient(() => stream, { ...clientOptions, ...identityOf(request) });
    let cause: unknown;
    // The client passes on what it knows of sockets and drops the rest, such as the alert that refuses our certificate.
    stream.once("error", (error) => {
      cause ??= error;
    });
    const fail = (error: unknown) => {
      signal.removeEventListener("abort", onAbort);
      client.off("close", onClose);
      client.on("error", () => undefined);
      client.end(true);
      stream.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    // The broker may close without a word when it does not like us: the cause is then the socket's, if there is one.
    const onClose = () => fail(connectionError(cause, peer));
    const onError = (error: Error) => {
      const refusal = connackRefusal(error, peer);
      if (refusal === undefined) cause = error;
      else fail(refusal);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    client.once("close", onClose);
    client.on("error", onError);
    // Handlers are attached before anything else may run: a retained message can follow CONNACK in the same segment.
    client.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      client.off("close", onClose);
      client.off("error", onError);
      resolve(new MqttSession(client, events));
    });
  });
}

function identityOf(request: SessionRequest): IClientOptions {
  if (request.type === "operational") return { clientId: request.device };
  const { clientId, claim } = request;
  return claim === undefined ? { clientId } : { clientId, username: claim.id, password: Buffer.from(claim.secret) };
}

/** CONNACK return codes (MQTT 3.1.1 §3.2.2.3): 3 is "server unavailable", the others refuse us. */
function connackRefusal(error: Error, peer: string): FleetError | undefined {
  const code = "code" in error && typeof error.code === "number" ? error.code : undefined;
  if (code === undefined) return undefined;
  const details = { cause: error, retry: true };
  if (code === 3) return new FleetError("offline", `${peer} is not available`, details);
  return new FleetError("denied", `${peer} refused the session with CONNACK code ${code}`, {
    ...details,
    hint: "the credential may be revoked or the device suspended; ask the fleet's operator",
  });
}

async function withPatience<T>(
  patience: Duration,
  { signal, what }: { readonly signal: AbortSignal; readonly what: string },
  act: (until: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new FleetError("timeout", `${what} did not come in ${patience} ms`, { retry: true })),
    patience,
  );
  try {
    signal.throwIfAborted();
    return await act(AbortSignal.any([signal, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Not from the package's front door, which loads websockets, proxies and schedulers too. Who loads a CommonJS module decides
 * whether its default comes bare or wrapped.
 */
const MqttClient = mqttClient.default ?? mqttClient;

const clientOptions: IClientOptions = {
  protocolVersion: 4,
  clean: true,
  keepalive: 30,
  reconnectPeriod: 0,
  resubscribe: false,
  // Its number cache costs 11 MB.
  writeCache: false,
  connectTimeout: 120_000,
};

/** Envelopes end at 60 KiB; the rest is for topics and headers of packets we do not know. */
const maxPacketBytes = 256 * 1024;
