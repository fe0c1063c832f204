import {
  type Body,
  type BodyOf,
  bootstrapClientId,
  bootstrapSubscriptions,
  decodeEnvelope,
  decodeMessage,
  deviceSubscriptions,
  encodeMessage,
  formatTopic,
  kindOf,
  type Message,
  payloadTypes,
  signEnvelope,
  type UpKind,
} from "@fleetcert/proto";
import { parseClaimString, pemEncode, sha256Hex } from "@fleetcert/shared";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { testSigner } from "../keys/test-signer.ts";
import { activatedBody, enrolBody, messageOf } from "./device-messages.ts";

/** Where a controller under test listens, as its run/endpoints.json says. */
export interface DeviceEndpoints {
  readonly operational: { readonly port: number };
  readonly bootstrap: { readonly port: number };
}

/**
 * A device over real sockets that does one thing at a time and keeps nothing: connects, asks, takes the answer, goes. It
 * does not verify its controller; the agent does.
 */
export class SocketDevice {
  readonly id: string;
  /** Another one after the controller was started again. */
  endpoints: DeviceEndpoints;
  key: ReturnType<typeof testSigner> = testSigner("P-256");
  certificate: Uint8Array = new Uint8Array();
  generation = 1;
  #chain: readonly Uint8Array[] = [];
  #counter = 0;

  constructor(endpoints: DeviceEndpoints, id: string) {
    this.endpoints = endpoints;
    this.id = id;
  }

  /** Asks for the first certificate; throws when the connection ends before an answer. */
  async enrol(claimString: string): Promise<Body> {
    const claim = parseClaimString(claimString);
    const clientId = bootstrapClientId(sha256Hex(this.key.spki));
    const client = await connectTo(this.endpoints.bootstrap.port, {
      clientId,
      username: claim.claimId,
      password: Buffer.from(claim.secret.reveal(), "base64url"),
    });
    const body = await enrolBody(this);
    const topic = (kind: UpKind) => formatTopic({ type: "bootstrap-up", clientId, kind });
    const answer = await this.#ask(client, { body, topic, filters: bootstrapSubscriptions(clientId) });
    if (answer.type === "issued") this.#take(answer);
    return answer;
  }

  /** Connects with the certificate in hand and stays. Throws what mqtt throws when it is refused. */
  async stay(): Promise<MqttClient> {
    return await connectTo(this.endpoints.operational.port, {
      clientId: this.id,
      key: this.key.privatePem,
      cert: [this.certificate, ...this.#chain].map((der) => pemEncode("CERTIFICATE", der)).join(""),
    });
  }

  /** Connects with the certificate in hand and asks one thing. */
  async ask(body: Body): Promise<Body> {
    const client = await this.stay();
    const topic = (kind: UpKind) => formatTopic({ type: "up", device: this.id, kind });
    return await this.#ask(client, { body, topic, filters: deviceSubscriptions(this.id) });
  }

  /** Reports the certificate in hand as proven in use. */
  activate(): Promise<Body> {
    return this.ask(activatedBody(this));
  }

  async #ask(
    client: MqttClient,
    asked: { readonly body: Body; readonly topic: (kind: UpKind) => string; readonly filters: string[] },
  ): Promise<Body> {
    try {
      await client.subscribeAsync(asked.filters, { qos: 1 });
      this.#counter += 1;
      const message = messageOf(this, asked.body, { at: Date.now(), counter: this.#counter });
      const answered = answerTo(client, message.messageId);
      const envelope = await signEnvelope(payloadTypes.message, encodeMessage(message), this.key);
      client.publish(asked.topic(kindOf(asked.body.type) as UpKind), Buffer.from(envelope), { qos: 1 });
      return await answered;
    } finally {
      client.end(true);
    }
  }

  #take(issued: BodyOf<"issued">): void {
    this.certificate = issued.certificate;
    this.#chain = issued.chain;
    this.generation = issued.generation;
  }
}

async function connectTo(port: number, options: IClientOptions): Promise<MqttClient> {
  const client = await connectAsync({
    protocol: "mqtts",
    host: "127.0.0.1",
    port,
    rejectUnauthorized: false,
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    clean: true,
    ...options,
  });
  client.on("error", () => undefined);
  return client;
}

function answerTo(client: MqttClient, messageId: string): Promise<Body> {
  return new Promise((done, fail) => {
    client.on("message", (topic, payload) => {
      if (!topic.includes("/down/")) return;
      const message: Message = decodeMessage(decodeEnvelope(payload).payload);
      if (message.inReplyTo === messageId) done(message.body);
    });
    client.once("close", () => fail(new Error("the connection ended before the answer")));
    setTimeout(() => fail(new Error("no answer came")), 15_000).unref();
  });
}
