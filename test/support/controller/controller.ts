import { randomBytes } from "node:crypto";
import {
  type Body,
  type BodyOf,
  bootstrapClientId,
  decodeEnvelope,
  decodeMessage,
  encodeMessage,
  formatTopic,
  kindOf,
  type Message,
  payloadTypes,
  signEnvelope,
  type Topic,
  type UpKind,
} from "@fleetcert/proto";
import {
  type EndorsementPolicy,
  encodeCsr,
  type Instant,
  type KeyEvidence,
  type KeyProvider,
  parseClaimString,
  type Signer,
  sha256Hex,
} from "@fleetcert/shared";
import { openProviderAuthority } from "../../../controller/src/adapters/ca/provider-authority.ts";
import { memoryStore } from "../../../controller/src/adapters/store/memory/memory-store.ts";
import { type Duties, wireDuties } from "../../../controller/src/cli/serving/wire-duties.ts";
import { type Config, parseConfig, parseProfiles } from "../../../controller/src/config.ts";
import type { FailpointName } from "../../../controller/src/failpoints.ts";
import type { Broker, CounterAnchor, ListArchive, PeerIdentity, Surroundings } from "../../../controller/src/ports.ts";
import type { Store } from "../../../controller/src/store-port.ts";
import { type CreatedPki, createPki } from "../../../controller/src/trust/create-pki.ts";
import { activatedBody, enrolBody, messageOf, renewBody } from "../devices/device-messages.ts";
import { memoryKeyProvider } from "../keys/memory-key-provider.ts";
import { testSigner } from "../keys/test-signer.ts";
import { ManualClock } from "../manual-clock.ts";
import { keepingLists, keepListsOfBundle } from "../revocation/made-lists.ts";
import { SeededRandom } from "../seeded-random.ts";

/** What of a controller outlives its process; hand it to the next {@link startTestController} to restart. */
export interface ControllerWorld {
  readonly store: Store;
  readonly clock: ManualClock;
  readonly keys: KeyProvider;
  readonly rootKeys: KeyProvider;
  readonly pki: CreatedPki;
  readonly bundles: Uint8Array[];
  readonly anchor: CounterAnchor & { readonly values: Map<string, number> };
  readonly archive: ListArchive;
}

/** A controller in this process without sockets or files: what the broker would deliver is given to its events. */
export interface TestController extends Duties {
  readonly world: ControllerWorld;
  readonly config: Config;
  /** Everything handed to the broker, in order; retained topics as they stand now. */
  readonly published: { readonly topic: string; readonly payload: Uint8Array; readonly retain: boolean }[];
  readonly retained: Map<string, Uint8Array>;
  readonly notices: { readonly name: string; readonly details: Readonly<Record<string, string>> }[];
  readonly dropped: string[];
  /** Answers decoded from what was published to a device since the last call, drained first. */
  answersTo(recipient: string): Promise<Message[]>;
}

/** A fresh world: PKI, empty store, clock at `now`. */
export async function aWorld(now: Instant = Date.UTC(2026, 10, 20, 12)): Promise<ControllerWorld> {
  const clock = new ManualClock(now);
  const [keys, rootKeys] = [memoryKeyProvider(), memoryKeyProvider()];
  const pki = await createPki({
    fleet: "demo",
    now,
    random: { bytes: (length) => new Uint8Array(randomBytes(length)), fraction: () => 0.5 },
    keys,
    rootKeys,
    recordIntent: async () => undefined,
    recordOutcome: async () => undefined,
    crlBase: "http://localhost:8080",
  });
  keepListsOfBundle(pki.envelope);
  const values = new Map<string, number>();
  const anchor = {
    values,
    read: async (counter: string) => values.get(counter) ?? 0,
    raise: async (counter: string, value: number) => {
      values.set(counter, Math.max(value, values.get(counter) ?? 0));
    },
  };
  const lists = new Map<string, { readonly issuer: string; readonly shard: number; readonly der: Uint8Array }>();
  const archive: ListArchive = {
    save: async (list) => void lists.set(`${list.issuer}/${list.shard}`, list),
    list: async (issuer) => [...lists.values()].filter((one) => one.issuer === issuer),
  };
  return { store: memoryStore(), clock, keys, rootKeys, pki, bundles: [pki.envelope], anchor, archive };
}

/** Starts a controller on a world as `serve` does: recovers, then publishes what is due. */
export async function startTestController(
  options: {
    readonly world?: ControllerWorld;
    readonly config?: string;
    readonly profiles?: string;
    /** Which TPMs may prove keys; none by default. */
    readonly endorsements?: Partial<EndorsementPolicy>;
    /** Returns a promise that never settles to play a kill. */
    readonly failpoint?: (name: FailpointName) => Promise<void>;
    readonly seed?: number;
    /** `false` leaves the first epoch out. */
    readonly publish?: boolean;
  } = {},
): Promise<TestController> {
  const world = options.world ?? (await aWorld());
  const config = parseConfig(`fleet: demo\n${options.config ?? ""}`);
  const notices: TestController["notices"] = [];
  const published: TestController["published"] = [];
  const retained = new Map<string, Uint8Array>();
  const dropped: string[] = [];
  const surroundings: Surroundings = {
    clock: world.clock,
    random: new SeededRandom(options.seed ?? randomBytes(4).readInt32BE()),
    notices: { raise: (notice) => void notices.push(notice) },
    failpoint: options.failpoint ?? (async () => undefined),
  };
  const broker: Broker = {
    async publish(message) {
      published.push(message);
      if (message.retain && message.payload.length === 0) retained.delete(message.topic);
      else if (message.retain) retained.set(message.topic, message.payload);
    },
    async dropSessions(device) {
      dropped.push(device);
      return 1;
    },
    replaceCertificate: async () => undefined,
    close: async () => undefined,
  };
  const { pki, keys } = world;
  const duties = await wireDuties({
    config,
    profiles: parseProfiles(options.profiles ?? "{}"),
    store: world.store,
    endorsements: { roots: [], intermediates: [], allowed: new Set(), ...options.endorsements },
    surroundings,
    anchor: world.anchor,
    archive: world.archive,
    keys,
    authority: keepingLists(
      await openProviderAuthority({
        keys,
        keyRef: pki.issuingKeyRef,
        certificate: pki.issuing.der,
        chain: [pki.root.der],
      }),
    ),
    bundles: world.bundles,
    async saveBundle(_, envelope) {
      keepListsOfBundle(envelope);
      world.bundles.push(envelope);
    },
    broker: () => broker,
    crlBase: "http://localhost:8080",
    coverageGrew: () => undefined,
  });
  await duties.issuance.recover();
  await duties.revocation.recover();
  if (options.publish !== false) await duties.revocation.publishIfDue({ isStarting: true });
  let seen = 0;
  return {
    ...duties,
    ...{ world, config, published, retained, notices, dropped },
    async answersTo(recipient) {
      await duties.outbox.drain();
      const fresh = published.slice(seen);
      seen = published.length;
      return fresh
        .filter(({ topic }) => topic.includes("/down/"))
        .map(({ payload }) => decodeMessage(decodeEnvelope(payload).payload))
        .filter((message) => message.recipient === recipient);
    },
  };
}

/** A device of a test: its keys and what it was given. It follows the protocol, but keeps nothing and retries nothing. */
class TestDevice {
  readonly id: string;
  /** Another one after a restart. */
  controller: TestController;
  key: Signer = testSigner("P-256");
  certificate: Uint8Array = new Uint8Array();
  generation = 1;
  #counter = 0;

  constructor(controller: TestController, id: string) {
    this.controller = controller;
    this.id = id;
  }

  /** Enrols with a claim string, or answers a credential of it; resolves with the answer, which may be a refusal. */
  async enrol(
    claimString: string,
    { activated, ...changes }: Partial<BodyOf<"enrol">> & { readonly activated?: Uint8Array } = {},
  ): Promise<Body> {
    const { peer, body } = await this.#enrolment(claimString, changes);
    const asked: Body = activated === undefined ? body : { type: "attestation", request: body, activated };
    const answer = await this.ask(asked, { peer, key: this.key });
    if (answer.type === "issued") this.certificate = answer.certificate;
    return answer;
  }

  /** Delivers an enrolment and does not look at the answer. */
  async deliverEnrolment(claimString: string): Promise<void> {
    const { peer, body } = await this.#enrolment(claimString, {});
    const { kind, envelope: payload } = await this.message(body, { peer, key: this.key });
    if (peer.type !== "bootstrap") return;
    const topic = formatTopic({ type: "bootstrap-up", clientId: peer.clientId, kind });
    await this.controller.events.receive({ topic, payload, peer });
  }

  async #enrolment(claimString: string, changes: Partial<BodyOf<"enrol">>) {
    const claim = parseClaimString(claimString);
    const clientId = bootstrapClientId(sha256Hex(this.key.spki));
    const peer = await this.controller.events.authenticateBootstrap({
      chain: [],
      clientId,
      username: claim.claimId,
      password: Buffer.from(claim.secret.reveal(), "base64url"),
    });
    return { peer, body: await enrolBody(this, changes) };
  }

  /** Connects with the certificate in hand. */
  async connect(certificate: Uint8Array = this.certificate): Promise<PeerIdentity> {
    return await this.controller.events.authenticateOperational({ chain: [certificate], clientId: this.id });
  }

  /** Reports the certificate in hand as proven in use. */
  async activate(
    via: { readonly peer?: PeerIdentity; readonly key?: Signer; readonly sequenceGeneration?: number } = {},
  ): Promise<Body> {
    return await this.ask(activatedBody(this), via);
  }

  /** Asks for the next generation with a new key, without taking it into use. */
  async askRenewal(
    next: Signer,
    generation = this.generation + 1,
    via: {
      readonly peer?: PeerIdentity;
      readonly commonName?: string;
      readonly tokenSerial?: string;
      readonly evidence?: KeyEvidence;
    } = {},
  ): Promise<Body> {
    const { commonName = this.id, tokenSerial = "", evidence } = via;
    const csr = await encodeCsr({ signer: next, commonName });
    const body = await renewBody(this, next, { generation, csr, tokenSerial, ...(evidence && { evidence }) });
    return await this.ask(body, via);
  }

  /** Reports one slot's state. */
  async report(slot: { readonly generation: number; readonly journal: string }): Promise<Body> {
    return await this.ask({
      type: "report",
      agentVersion: "test",
      platform: "test",
      clockOffset: 0,
      timeStatus: "known",
      slots: [
        {
          slot: "identity",
          ...slot,
          certificateSha256: Buffer.from(sha256Hex(this.certificate), "hex"),
          certificateAge: 0,
          protection: "software",
          lastError: "",
        },
      ],
      epochs: [],
      trustEra: 1,
      trustVersion: 1,
      desiredVersion: 1,
      outboxLength: 0,
    });
  }

  /** Connects to the bootstrap namespace with the certificate in hand. */
  async connectBootstrap(): Promise<PeerIdentity> {
    return await this.controller.events.authenticateBootstrap({
      chain: [this.certificate],
      clientId: bootstrapClientId(sha256Hex(this.key.spki)),
      username: undefined,
      password: undefined,
    });
  }

  /** A whole rotation: new key, certificate, proof. */
  async rotate(): Promise<Body> {
    const next = testSigner("P-256");
    const answer = await this.askRenewal(next);
    if (answer.type !== "issued") return answer;
    this.take(next, answer);
    return await this.activate();
  }

  /** Goes over to a new key and its certificate. */
  take(key: Signer, issued: BodyOf<"issued">): void {
    this.key = key;
    this.certificate = issued.certificate;
    this.generation = issued.generation;
  }

  /** Sends a body and resolves with the body of the answer to it. */
  async ask(
    body: Body,
    via: { readonly peer?: PeerIdentity; readonly key?: Signer; readonly sequenceGeneration?: number } = {},
  ): Promise<Body> {
    return await this.send(await this.message(body, via), via);
  }

  /** A signed message ready to travel. */
  async message(
    body: Body,
    via: {
      readonly peer?: PeerIdentity;
      readonly key?: Signer;
      readonly sequenceGeneration?: number;
      readonly changes?: Partial<Message>;
    } = {},
  ): Promise<{ readonly kind: UpKind; readonly envelope: Uint8Array; readonly messageId: string }> {
    this.#counter += 1;
    const speaker = { id: this.id, generation: via.sequenceGeneration ?? this.generation };
    const message = messageOf(speaker, body, {
      ...{ at: this.controller.world.clock.now(), counter: this.#counter },
      ...(via.peer?.type === "bootstrap" && { sequence: undefined }),
      ...via.changes,
    });
    const envelope = await signEnvelope(payloadTypes.message, encodeMessage(message), via.key ?? this.key);
    return { kind: kindOf(body.type) as UpKind, envelope, messageId: message.messageId };
  }

  /** Delivers a message as the broker would; resolves with the answer's body. */
  async send(
    message: { readonly kind: UpKind; readonly envelope: Uint8Array; readonly messageId: string },
    via: { readonly peer?: PeerIdentity } = {},
  ): Promise<Body> {
    const peer = via.peer ?? (await this.connect());
    const { kind, envelope: payload } = message;
    const topic: Topic =
      peer.type === "operational"
        ? { type: "up", device: this.id, kind }
        : { type: "bootstrap-up", clientId: peer.clientId, kind };
    await this.controller.events.receive({ topic: formatTopic(topic), payload, peer });
    const answers = await this.controller.answersTo(this.id);
    const answer = answers.findLast(({ inReplyTo }) => inReplyTo === message.messageId) ?? answers.at(-1);
    if (answer === undefined) throw new Error(`no answer to ${kind}`);
    return answer.body;
  }
}

/** A device with a fresh P-256 key. */
export const aDevice = (controller: TestController, id: string): TestDevice => new TestDevice(controller, id);

/** Creates a claim and enrols and proves a device with it. */
export async function anEnrolledDevice(controller: TestController, id: string): Promise<TestDevice> {
  const { claimString } = await controller.enrolment.createClaim("local", { maxUses: 1, validFor: 3_600_000 });
  const device = aDevice(controller, id);
  const answers = [await device.enrol(claimString), await device.activate()].map(({ type }) => type);
  if (answers.join() !== "issued,confirmed") throw new Error(`enrolment of ${id} ended with ${answers.join()}`);
  return device;
}
