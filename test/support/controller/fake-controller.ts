import {
  type Body,
  decodeEnvelope,
  decodeMessage,
  encodeMessage,
  formatTopic,
  isSignedBy,
  type Message,
  parseTopic,
  payloadTypes,
  signEnvelope,
  type TrustBundle,
} from "@fleetcert/proto";
import {
  type Clock,
  FleetError,
  type Instant,
  parseCertificate,
  parseCsr,
  Serial,
  type Signer,
  sha256,
  sha256Hex,
  signCertificate,
  spkiSha256,
} from "@fleetcert/shared";
import type { SessionRequest } from "../../../agent/src/ports.ts";
import type { FakeServer } from "../agent/fake-link.ts";
import { FakeLink } from "../agent/fake-link.ts";
import { testSigner } from "../keys/test-signer.ts";
import { aBundle, aCommandKey, anIssuer, aRoot, signedBundle, type TestCa, testFleet } from "../pki/fleet-trust.ts";

/** What a test may have the controller do otherwise: return a body to answer with it, `lost` to say nothing. */
export type Intervention = (message: Message) => Body | "lost" | undefined;

/** The controller's side of enrolment and rotation, as small as the agent's tests need it; not an example of how to do it. */
export class FakeController implements FakeServer {
  readonly link: FakeLink = new FakeLink(this);
  /** How messages go to devices; the link in memory unless a test puts a broker here. */
  publish: FakeLink["publish"] = (topic, payload, options) => this.link.publish(topic, payload, options);
  readonly root: TestCa;
  readonly bundle: TrustBundle;
  readonly envelope: Uint8Array;
  chain: readonly Uint8Array[];
  /** Certificates issued, by `device slot generation spki`. */
  readonly issued = new Map<string, Uint8Array>();
  /** SHA-256 of the certificates proven, in order. */
  readonly proven: string[] = [];
  readonly messages: Message[] = [];
  readonly refusedCertificates = new Set<string>();
  /** What went wrong on this side; a test expects none. */
  readonly errors: unknown[] = [];
  intervene: Intervention = () => undefined;
  grace = 0;
  /** How an impostor seals: by a key of its own, or with another recipient or question. */
  forgery: { readonly signer?: Signer; readonly changes?: Partial<Message> } = {};
  /** PEM of the server's key, for a broker over TLS. */
  readonly serverKey: string;
  readonly #parts: FakeControllerParts;
  #counter = 0;

  private constructor(parts: FakeControllerParts) {
    this.#parts = parts;
    this.root = parts.root;
    this.bundle = parts.bundle;
    this.envelope = parts.envelope;
    this.chain = parts.chain;
    this.serverKey = parts.serverKey;
  }

  static async open(clock: Clock): Promise<FakeController> {
    const root = await aRoot();
    const issuing = await anIssuer(root);
    const validity = { notBefore: clock.now() - 86_400_000, notAfter: clock.now() + 400 * 86_400_000 };
    const messages = aCommandKey("messages", validity);
    const time = aCommandKey("time", validity);
    const bundle = aBundle({
      issuedAt: clock.now() - 86_400_000,
      expires: clock.now() + 365 * 86_400_000,
      roots: [root.certificate.der],
      issuers: [issuing.certificate.der],
      commandKeys: [messages.entry, time.entry],
    });
    const server = testSigner("P-256");
    const chain = [await serverLeaf(issuing, clock, server.spki), issuing.certificate.der, root.certificate.der];
    const envelope = await signedBundle(bundle, root);
    return new FakeController({
      serverKey: server.privatePem,
      clock,
      root,
      issuing,
      bundle,
      envelope,
      chain,
      signers: { messages: messages.signer, time: time.signer },
    });
  }

  accept(request: SessionRequest): void {
    const isExpired = (der: Uint8Array) => parseCertificate(der).notAfter < this.#parts.clock.now();
    if (request.type === "operational" && isExpired(request.credential.certificate)) {
      throw new FleetError("denied", "CONNACK 5");
    }
    if (request.type === "operational" && this.refusedCertificates.has(sha256Hex(request.credential.certificate))) {
      throw new FleetError("denied", "CONNACK 5");
    }
  }

  received(publish: FakePublish): void {
    this.#take(publish).catch((error: unknown) => this.errors.push(error));
  }

  async #take({ request, topic, payload }: FakePublish): Promise<void> {
    const parsed = parseTopic(topic);
    const envelope = decodeEnvelope(payload);
    const message = decodeMessage(envelope.payload);
    this.messages.push(message);
    const intervention = this.intervene(message);
    const body = intervention ?? (await this.#answer(message, envelope, request));
    if (body === "lost" || body === undefined) return;
    await this.#send(message, body, parsed?.type === "bootstrap-up" ? parsed.clientId : undefined);
  }

  /** SHA-256 of the certificates issued to a device, in order. */
  issuedTo(device: string): string[] {
    return [...this.issued].filter(([name]) => name.startsWith(`${device} `)).map(([, der]) => sha256Hex(der));
  }

  /** Publishes the desired state of a device, retained. */
  async desire(device: string, desired: Omit<Extract<Body, { type: "desired" }>, "type">): Promise<void> {
    const envelope = await this.#seal({
      recipient: device,
      inReplyTo: undefined,
      body: { type: "desired", ...desired },
    });
    this.publish(formatTopic({ type: "desired", device }), envelope, { retain: true });
  }

  /** Publishes that a device is to have a generation of its identity, from one moment to another. */
  async desireGeneration(
    device: string,
    renewGeneration: number,
    { windowStart, windowEnd }: { readonly windowStart: Instant; readonly windowEnd: Instant },
  ): Promise<void> {
    const slot = { slot: "identity", profile: "device", keyAlgorithm: "P-256", mode: "automatic" } as const;
    const window = { renewGeneration, windowStart, windowEnd, earliest: 0, renewBefore: 0 };
    const slots = [{ ...slot, ...window, explanationUrl: "", retryAfter: 0 }];
    const rest = { reportInterval: 6 * 3_600_000, retire: false, suspended: "", maintenance: [] };
    await this.desire(device, { era: 1, version: 1, slots, ...rest });
  }

  async #answer(
    message: Message,
    envelope: ReturnType<typeof decodeEnvelope>,
    request: SessionRequest,
  ): Promise<Body | undefined> {
    const { body } = message;
    switch (body.type) {
      case "enrol":
        if (!isSignedBy(envelope, parseCsr(body.csr).spki)) return refusal("signature-invalid");
        return this.#issue(message.sender, body);
      case "attestation":
        return this.#issue(message.sender, body.request);
      case "renew":
        if (request.type === "operational" && !isSignedBy(envelope, request.credential.key.spki))
          return refusal("signature-invalid");
        return this.#issue(message.sender, body);
      case "activated": {
        if (request.type !== "operational") return refusal("signer-not-allowed");
        const sha = sha256(request.credential.certificate);
        if (Buffer.compare(sha, body.certificateSha256) !== 0) return refusal("signer-not-allowed");
        this.proven.push(Buffer.from(sha).toString("hex"));
        return { ...body, type: "confirmed", grace: this.grace };
      }
      case "time-request":
        return {
          type: "time-token",
          nonce: Buffer.from(message.messageId, "hex"),
          now: this.#parts.clock.now(),
          trustBundles: request.type === "bootstrap" ? [this.#parts.envelope] : [],
        };
      case "report":
      case "ack":
      case "event":
        return { type: "received" };
      default:
        return undefined;
    }
  }

  /** The certificate of a generation; the same for the same key. */
  async certify(
    device: string,
    { slot, generation, spki }: { readonly slot: string; readonly generation: number; readonly spki: Uint8Array },
  ): Promise<Uint8Array> {
    const name = `${device} ${slot} ${generation} ${spkiSha256(spki)}`;
    const { issuing, clock } = this.#parts;
    this.#counter += 1;
    const certificate =
      this.issued.get(name) ??
      (await signCertificate(
        {
          ...leafOf(issuing, clock, spki, this.#counter + 1),
          subject: { commonName: device },
          extendedKeyUsage: ["clientAuth"],
          subjectAlternativeNames: [{ uri: `urn:fleetcert:${testFleet}:device:${device}` }],
        },
        issuing.signer,
      ));
    this.issued.set(name, certificate);
    return certificate;
  }

  /** Sessions from now on see a certificate that begins now. */
  async renewServer(): Promise<void> {
    const { issuing, clock } = this.#parts;
    this.chain = [await serverLeaf(issuing, clock, testSigner("P-256").spki), ...this.chain.slice(1)];
  }

  /** Refuses sessions of a certificate from now on. */
  refuse(certificate: Uint8Array): void {
    this.refusedCertificates.add(sha256Hex(certificate));
  }

  async #issue(
    device: string,
    { slot, generation, csr }: { readonly slot: string; readonly generation: number; readonly csr: Uint8Array },
  ): Promise<Body> {
    const { issuing, root, envelope } = this.#parts;
    const certificate = await this.certify(device, { slot, generation, spki: parseCsr(csr).spki });
    const chain = [issuing.certificate.der, root.certificate.der];
    return { type: "issued", slot, generation, certificate, chain, trustBundles: [envelope] };
  }

  async #send(question: Message, body: Body, clientId: string | undefined): Promise<void> {
    const envelope = await this.#seal({ recipient: question.sender, inReplyTo: question.messageId, body });
    const kind = decodeMessage(decodeEnvelope(envelope).payload).kind as "issued";
    const topic =
      clientId === undefined
        ? formatTopic({ type: "down", device: question.sender, kind })
        : formatTopic({ type: "bootstrap-down", clientId, kind });
    this.publish(topic, envelope);
  }

  async #seal({
    recipient,
    inReplyTo,
    body,
  }: {
    recipient: string;
    inReplyTo: string | undefined;
    body: Body;
  }): Promise<Uint8Array> {
    this.#counter += 1;
    const sentAt = this.#parts.clock.now();
    const payload = encodeMessage({
      fleet: testFleet,
      direction: "controller-to-device",
      sender: "controller",
      recipient,
      messageId: this.#counter.toString(16).padStart(32, "0"),
      inReplyTo,
      sentAt,
      expiresAt: sentAt + 300_000,
      sequence: undefined,
      traceparent: undefined,
      body,
      ...this.forgery.changes,
    });
    const { signers } = this.#parts;
    const own = body.type === "time-token" ? signers.time : signers.messages;
    return signEnvelope(payloadTypes.message, payload, this.forgery.signer ?? own);
  }
}

type FakePublish = Parameters<FakeServer["received"]>[0];

interface FakeControllerParts {
  readonly serverKey: string;
  readonly clock: Clock;
  readonly root: TestCa;
  readonly issuing: TestCa;
  readonly bundle: TrustBundle;
  readonly envelope: Uint8Array;
  readonly chain: readonly Uint8Array[];
  readonly signers: { readonly messages: Signer; readonly time: Signer };
}

function serverLeaf(issuing: TestCa, clock: Clock, spki: Uint8Array): Promise<Uint8Array> {
  return signCertificate(
    {
      ...leafOf(issuing, clock, spki, 1),
      notAfter: clock.now() + 300 * 86_400_000,
      subject: { commonName: "controller" },
      extendedKeyUsage: ["serverAuth"],
      subjectAlternativeNames: [{ dns: "controller.test" }, { dns: "localhost" }],
    },
    issuing.signer,
  );
}

function leafOf(issuing: TestCa, clock: Clock, spki: Uint8Array, index: number) {
  const random13 = new Uint8Array(13).fill(5);
  return {
    serial: Serial.make({ shard: 0, index, random13 }),
    issuer: issuing.certificate.subject.der,
    notBefore: clock.now() - 3_600_000,
    notAfter: clock.now() + 90 * 86_400_000,
    spki,
    issuerSpki: issuing.signer.spki,
    signatureAlgorithmOf: issuing.signer.algorithm,
    keyUsage: ["digitalSignature"] as const,
  };
}

function refusal(code: string): Body {
  return { type: "refused", code, message: "not today", hint: "", retryAfter: 0, trustBundles: [] };
}
