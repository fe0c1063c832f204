import { strict as assert } from "node:assert";
import { type Body, type BodyOf, formatTopic, joinParts, partCount, type RevocationHead } from "@fleetcert/proto";
import { type Instant, parseCertificate } from "@fleetcert/shared";
import { openControllerMessage } from "../../agent/src/controller-message.ts";
import { verifyIssued } from "../../agent/src/credential/verify-issued.ts";
import { judgeHead } from "../../agent/src/revocation/judge-head.ts";
import { verifyShardCrl } from "../../agent/src/revocation/verify-shard-crl.ts";
import { ServerCheck } from "../../agent/src/server/verify-server.ts";
import { type OpenTrustKeeper, openTrustKeeper } from "../../agent/src/trust/trust-keeper.ts";
import type { PeerIdentity } from "../../controller/src/ports.ts";
import { KeptLog } from "./agent/agent-surroundings.ts";
import { CrashingStateStore } from "./agent/crashing-state-store.ts";
import { anEnrolledDevice, type TestController } from "./controller/controller.ts";
import { testSigner } from "./keys/test-signer.ts";

type Enrolled = Awaited<ReturnType<typeof anEnrolledDevice>>;

/**
 * A device that lives for years: it believes the controller only by the agent's own checks, under the trust it has followed
 * to. Every method throws where a real agent would be locked out.
 */
export class TimeTraveller {
  readonly id: string;
  #controller: TestController;
  readonly #device: Enrolled;
  readonly #trust: OpenTrustKeeper;
  /** The issuing CA's certificate as it came with the device's own. */
  #issuing: Uint8Array;
  #head: RevocationHead | undefined;

  private constructor(controller: TestController, device: Enrolled, trust: OpenTrustKeeper) {
    this.id = device.id;
    this.#controller = controller;
    this.#device = device;
    this.#trust = trust;
    this.#issuing = controller.authority.certificate;
  }

  static async enrol(controller: TestController, id: string): Promise<TimeTraveller> {
    const device = await anEnrolledDevice(controller, id);
    const trust = await openTrustKeeper({
      state: new CrashingStateStore(),
      pin: { rootSha256: controller.world.pki.root.sha256, fleet: "demo" },
      time: { enterEra: async () => undefined },
      log: new KeptLog(),
    });
    const traveller = new TimeTraveller(controller, device, trust);
    await traveller.followTrust();
    return traveller;
  }

  get generation(): number {
    return this.#device.generation;
  }

  get notAfter(): Instant {
    return parseCertificate(this.#device.certificate).notAfter;
  }

  /** The controller was started again. */
  async moveTo(controller: TestController): Promise<void> {
    this.#controller = controller;
    this.#device.controller = controller;
    await this.followTrust();
  }

  /** Whether two thirds of the certificate's life are over. */
  isDue(now: Instant): boolean {
    const { notBefore, notAfter } = parseCertificate(this.#device.certificate);
    return now >= notBefore + ((notAfter - notBefore) * 2) / 3;
  }

  /** From whatever bundle it has, expired or not, to the one in force. */
  async followTrust(): Promise<void> {
    const retained = (topic: string) => this.#controller.retained.get(topic);
    await this.#trust.walkTo(
      this.#require(retained(formatTopic({ type: "trust" })), "trust bundle"),
      async (versions) => versions.map((version) => retained(formatTopic({ type: "trust-version", version }))),
    );
  }

  /** The server's chain holds now, and the controller lets the device in: neither needs a command key. */
  async connect(serverChain: readonly Uint8Array[]): Promise<PeerIdentity> {
    const at = this.#controller.world.clock.now();
    new ServerCheck("localhost", { bundle: this.#bundle }, () => false).verify(serverChain, { at, status: "anchored" });
    const chain = [this.#device.certificate, this.#issuing];
    return await this.#controller.events.authenticateOperational({ chain, clientId: this.id });
  }

  /** Trust, time, revocation state. */
  async keepUp(peer: PeerIdentity): Promise<void> {
    const at = this.#controller.world.clock.now();
    await this.followTrust();
    assert.equal(this.#trust.status(at), "trusting");
    const answer = await this.#ask({ type: "time-request" }, peer);
    assert.ok(answer.type === "time-token" && answer.now === at, `${this.id} got no time`);
    this.#followRevocation(at);
  }

  /** A new key, certificate and proof. */
  async rotate(peer: PeerIdentity): Promise<void> {
    await this.#take(peer);
    const proving = await this.#controller.events.authenticateOperational({
      chain: [this.#device.certificate, this.#issuing],
      clientId: this.id,
    });
    const answer = await this.#spoken(() => this.#device.activate({ peer: proving }));
    assert.equal(answer.type, "confirmed");
  }

  /** Comes back with a certificate that has ended. */
  async comeBack(serverChain: readonly Uint8Array[]): Promise<void> {
    const at = this.#controller.world.clock.now();
    assert.ok(this.notAfter < at);
    new ServerCheck("localhost", { bundle: this.#bundle }, () => false).verify(serverChain, { at, status: "anchored" });
    await this.followTrust();
    await this.rotate(await this.#device.connectBootstrap());
  }

  async #take(peer: PeerIdentity): Promise<void> {
    const next = testSigner("P-256");
    const generation = this.generation + 1;
    const answer = await this.#spoken(() => this.#device.askRenewal(next, generation, { peer }));
    assert.equal(answer.type, "issued", JSON.stringify(answer));
    const issued = answer as BodyOf<"issued">;
    const at = this.#controller.world.clock.now();
    const expected = { fleet: "demo", device: this.id, slot: "identity", generation, spki: next.spki };
    const { chain } = verifyIssued(issued, { ...expected, bundle: this.#bundle, at });
    this.#issuing = this.#require(chain[0], "issuing CA");
    this.#device.take(next, issued);
  }

  #followRevocation(at: Instant): void {
    const { issuer } = this.#controller.revocation;
    const bytes = this.#require(this.#controller.retained.get(formatTopic({ type: "head", issuer })), "head");
    const { body } = openControllerMessage(bytes, { bundle: this.#bundle, recipient: "fleet" });
    assert.ok(body.type === "head" && body.nextUpdate > at, "the head is stale");
    if (judgeHead(body, this.#head) === "newer") this.#head = body;
    const certificate = this.#trust.issuer(issuer);
    assert.ok(certificate !== undefined && certificate.notAfter > at);
    for (const shard of body.shards) {
      const parts = Array.from({ length: partCount(shard.crlLength) }, (_, part) =>
        this.#require(
          this.#controller.retained.get(
            formatTopic({ type: "crl-part", issuer, shard: shard.shard, epoch: shard.crlEpoch, part }),
          ),
          "part of a list",
        ),
      );
      const list = verifyShardCrl(joinParts(parts, shard.crlLength), shard, certificate);
      assert.ok(list.nextUpdate !== undefined && list.nextUpdate > at, `the list of shard ${shard.shard} is stale`);
    }
  }

  #ask(body: Body, peer: PeerIdentity): Promise<Body> {
    return this.#spoken(() => this.#device.ask(body, { peer }));
  }

  /** Every envelope that came meanwhile must hold under the device's own trust. */
  async #spoken(act: () => Promise<Body>): Promise<Body> {
    const { published } = this.#controller;
    const before = published.length;
    const answer = await act();
    const mine = published.slice(before).filter(({ topic }) => topic.includes("/down/"));
    assert.ok(mine.length > 0);
    for (const { payload } of mine) openControllerMessage(payload, { bundle: this.#bundle, recipient: this.id });
    return answer;
  }

  get #bundle() {
    const bundle = this.#trust.current();
    assert.ok(bundle !== undefined);
    return bundle;
  }

  #require<T>(value: T | undefined, what: string): T {
    assert.ok(value !== undefined, `${this.id} finds no ${what}`);
    return value;
  }
}
