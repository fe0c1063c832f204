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
import { parseClaimString, pemEncode, type Signer, sha256Hex } from "@fleetcert/shared";
import { publishPacket, subscribePacket } from "../broker/mqtt-packets.ts";
import { type RealController, testFleetName } from "../controller/real-controller.ts";
import { activatedBody, enrolBody, messageOf, renewBody } from "../devices/device-messages.ts";
import { testSigner } from "../keys/test-signer.ts";
import { type AttackerClient, dialTls } from "./attacker-client.ts";

/** What a message says otherwise than an honest one. */
export interface MessageWishes {
  readonly key?: Signer;
  readonly changes?: Partial<Message>;
  /** Kind in the topic; that of the body by default. */
  readonly kind?: UpKind;
  /** Device in the topic; the sender by default. */
  readonly topicOf?: string;
}

/**
 * A device in an attacker's hands, over real sockets: it can do everything an honest one does, and sign, address and repeat
 * what it likes. Its private keys are readable.
 */
export class AttackerDevice {
  readonly id: string;
  readonly controller: RealController;
  key: ReturnType<typeof testSigner> = testSigner("P-256");
  certificate: Uint8Array = new Uint8Array();
  generation = 1;
  chain: readonly Uint8Array[] = [];
  #counter = 0;

  constructor(controller: RealController, id: string) {
    this.controller = controller;
    this.id = id;
  }

  /** The TLS client certificate and key. */
  get tls(): { readonly cert: string; readonly key: string } {
    const cert = [this.certificate, ...this.chain.slice(0, 1)].map((der) => pemEncode("CERTIFICATE", der)).join("");
    return { cert, key: this.key.privatePem };
  }

  /** An accepted and subscribed bootstrap session; by the claim, or by the certificate in hand. */
  async bootstrap(claimString?: string): Promise<AttackerClient> {
    const clientId = bootstrapClientId(sha256Hex(this.key.spki));
    const claim = claimString === undefined ? undefined : parseClaimString(claimString);
    const client = await dialTls(this.controller.endpoints.bootstrap, claim === undefined ? this.tls : {});
    // Written as the agent does it: the password is the secret's octets.
    const secret = claim === undefined ? undefined : Buffer.from(claim.secret.reveal(), "base64url");
    const code = await client.connectAs({ clientId, username: claim?.claimId, password: secret });
    if (code !== 0) throw new Error(`CONNECT of ${clientId} was answered with ${code}`);
    client.send(subscribePacket(1, ...bootstrapSubscriptions(clientId)));
    await client.nextOf(0x90);
    return client;
  }

  /** An accepted and subscribed operational session. */
  async operational(): Promise<AttackerClient> {
    const client = await dialTls(this.controller.endpoints.operational, this.tls);
    const code = await client.connectAs({ clientId: this.id });
    if (code !== 0) throw new Error(`CONNECT of ${this.id} was answered with ${code}`);
    client.send(subscribePacket(1, ...deviceSubscriptions(this.id)));
    await client.nextOf(0x90);
    return client;
  }

  /** Enrols by a claim; resolves with the answer, which may be a refusal. */
  async enrol(claimString: string, changes: Partial<BodyOf<"enrol">> = {}, wishes: MessageWishes = {}): Promise<Body> {
    const client = await this.bootstrap(claimString);
    const answer = await this.askBootstrap(client, await this.enrolBody(changes), wishes);
    client.stream.destroy();
    if (answer.type === "issued") {
      this.certificate = answer.certificate;
      this.chain = answer.chain;
    }
    return answer;
  }

  enrolBody(changes: Partial<BodyOf<"enrol">> = {}): Promise<BodyOf<"enrol">> {
    return enrolBody(this, changes);
  }

  /** Enrols and proves; throws when either is refused. */
  async join(): Promise<this> {
    const answers = [await this.enrol(await this.controller.claim()), await this.ask(this.activatedBody())];
    const types = answers.map(({ type }) => type).join();
    if (types !== "issued,confirmed") throw new Error(`${this.id} got ${types}`);
    return this;
  }

  /** A whole rotation: new key, certificate, proof. The old key and certificate are returned. */
  async rotate(): Promise<{
    readonly key: Signer & { readonly privatePem: string };
    readonly certificate: Uint8Array;
  }> {
    const old = { key: this.key, certificate: this.certificate };
    const next = testSigner("P-256");
    const answer = await this.ask(await this.renewBody(next));
    if (answer.type !== "issued") throw new Error(`renewal of ${this.id} ended with ${answer.type}`);
    this.key = next;
    this.certificate = answer.certificate;
    this.generation = answer.generation;
    const confirmed = await this.ask(this.activatedBody());
    if (confirmed.type !== "confirmed") throw new Error(`the proof of ${this.id} ended with ${confirmed.type}`);
    return old;
  }

  renewBody(next: Signer, changes: Partial<BodyOf<"renew">> = {}): Promise<BodyOf<"renew">> {
    return renewBody(this, next, changes);
  }

  activatedBody(): BodyOf<"activated"> {
    return activatedBody(this);
  }

  /** Asks one thing over an operational session of its own. */
  async ask(body: Body, wishes: MessageWishes = {}): Promise<Body> {
    const client = await this.operational();
    const answer = await this.askOver(client, body, wishes);
    client.stream.destroy();
    return answer;
  }

  /** Asks over an operational session that is open already. */
  async askOver(client: AttackerClient, body: Body, wishes: MessageWishes = {}): Promise<Body> {
    const { envelope, messageId } = await this.message(body, wishes);
    return await this.deliver(client, envelope, { kind: wishes.kind ?? kindUp(body), messageId });
  }

  async askBootstrap(client: AttackerClient, body: Body, wishes: MessageWishes = {}): Promise<Body> {
    const changes = { sequence: undefined, ...wishes.changes };
    const { envelope, messageId } = await this.message(body, { ...wishes, changes });
    const clientId = bootstrapClientId(sha256Hex(this.key.spki));
    const topic = formatTopic({ type: "bootstrap-up", clientId, kind: wishes.kind ?? kindUp(body) });
    return await answerTo(client, { topic, envelope, messageId });
  }

  /** Publishes any octets on one of its own operational topics; resolves with what comes back. */
  deliver(
    client: AttackerClient,
    envelope: Uint8Array,
    { kind, messageId }: { readonly kind: UpKind; readonly messageId?: string },
  ): Promise<Body> {
    const topic = formatTopic({ type: "up", device: this.id, kind });
    return answerTo(client, { topic, envelope, messageId });
  }

  /** A signed message ready to travel. */
  async message(
    body: Body,
    wishes: MessageWishes = {},
  ): Promise<{ readonly envelope: Uint8Array; readonly messageId: string }> {
    this.#counter += 1;
    const said = { fleet: testFleetName, at: Date.now(), counter: this.#counter, ...wishes.changes };
    const message = messageOf(this, body, said);
    const envelope = await signEnvelope(payloadTypes.message, encodeMessage(message), wishes.key ?? this.key);
    return { envelope, messageId: message.messageId };
  }
}

const kindUp = (body: Body): UpKind => kindOf(body.type) as UpKind;

/** The first answer to a message, or the first one at all where the controller cannot know which it answers. */
async function answerTo(
  client: AttackerClient,
  asked: { readonly topic: string; readonly envelope: Uint8Array; readonly messageId: string | undefined },
): Promise<Body> {
  const { topic, envelope, messageId } = asked;
  client.send(publishPacket({ topic, payload: envelope, packetId: 7 }));
  for (;;) {
    const received = await client.nextMessage();
    if (received === undefined) throw new Error(`the session ended before ${topic} was answered`);
    if (!received.topic.includes("/down/")) continue;
    const message = decodeMessage(decodeEnvelope(received.payload).payload);
    if (messageId === undefined || [messageId, undefined].includes(message.inReplyTo)) return message.body;
  }
}
