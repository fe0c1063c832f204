import { acceptTrustBundle, type TrustBundle } from "@fleetcert/proto";
import { encodeCsr, type Instant, parseCertificate, spkiSha256 } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { authenticateOperator } from "../../../controller/src/access/authenticate-operator.ts";
import { operationsOf } from "../../../controller/src/access/operations-of-duties.ts";
import type { Readiness } from "../../../controller/src/adapters/http/public-server.ts";
import { verifyAudit } from "../../../controller/src/audit/verify-audit.ts";
import { readiness } from "../../../controller/src/cli/serving/controller-state.ts";
import { maintain } from "../../../controller/src/cli/serving/maintenance.ts";
import type { ListenerCredential } from "../../../controller/src/trust/listener-certificates.ts";
import { renewBundle } from "../../../controller/src/trust/renew-bundle.ts";
import { anEnrolledDevice, startTestController, type TestController } from "../../support/controller/controller.ts";
import { administrator } from "../../support/controller/real-controller.ts";
import { testSigner } from "../../support/keys/test-signer.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { TimeTraveller } from "../../support/time-traveller.ts";

const hour = 3_600_000;
const day = 24 * hour;
const year = 365 * day;

/** A controller with the rounds of `serve`, and what its listeners present. */
class Years {
  readonly controller: TestController;
  readonly listeners = new Map<string, ListenerCredential>();
  replaced = 0;
  failures: string[] = [];

  constructor(controller: TestController) {
    this.controller = controller;
  }

  get now(): Instant {
    return this.controller.world.clock.now();
  }

  /** What devices and people are shown. */
  chain(name: string): readonly Uint8Array[] {
    const credential = this.listeners.get(name);
    expect(parseCertificate(credential?.chain[0] ?? new Uint8Array()).notAfter).toBeGreaterThan(this.now);
    return credential?.chain ?? [];
  }

  async round(): Promise<void> {
    const { clock } = this.controller.world;
    const error = ({ error: text }: Readonly<Record<string, unknown>>) => void this.failures.push(String(text));
    const log = { info: () => undefined, warn: () => undefined, error: error as () => void };
    const replace = async (credential: ListenerCredential): Promise<void> => {
      this.listeners.set(credential.name, credential);
      this.replaced += 1;
    };
    const listeners = ["broker", "api"].map((name) => ({ name, hosts: ["localhost"], replace }));
    await maintain({ duties: this.controller, clock, listeners, log });
  }

  /** What `fleetcert trust renew` does, a person's act. */
  async renewTrust(): Promise<TrustBundle> {
    return await this.controller.trust.publish(await this.makeBundle({}), "local");
  }

  /** A successor that was not handed to the controller yet. */
  async makeBundle(wishes: { readonly raiseEra?: boolean }): Promise<Uint8Array> {
    const { world, trust } = this.controller;
    const { envelope } = await renewBundle({
      current: trust.current(),
      now: this.now,
      random: new SeededRandom(trust.current().version),
      rootSigner: await world.rootKeys.open(world.pki.rootKeyRef),
      keys: world.keys,
      recordIntent: async (intent) => void (await trust.intend(intent, "local")),
      recordOutcome: async () => undefined,
      ...wishes,
    });
    return envelope;
  }

  readiness(): Promise<Readiness> {
    const { revocation, world } = this.controller;
    const state = { duties: this.controller, clock: world.clock, issuer: revocation.issuer };
    return readiness({ ...state, ownExpiries: async () => [] });
  }

  get hasCommandKey(): boolean {
    const { commandKeys } = this.controller.trust.current();
    return commandKeys.some(({ notBefore, notAfter }) => notBefore <= this.now && this.now <= notAfter);
  }
}

async function begin(): Promise<Years> {
  const controller = await startTestController();
  await controller.trust.announce();
  const years = new Years(controller);
  await years.round();
  return years;
}

/** Operator certificates are renewed by hand, each under a name of its own. */
class Administrator {
  readonly #years: Years;
  #certificate: Uint8Array = new Uint8Array();
  #chain: readonly Uint8Array[] = [];
  renewals = 0;

  constructor(years: Years) {
    this.#years = years;
  }

  async comeIn(): Promise<void> {
    const { controller, now } = this.#years;
    if (this.#certificate.length === 0 || parseCertificate(this.#certificate).notAfter < now + 14 * day) {
      await this.#renew();
    }
    this.#years.chain("api");
    const { store, authority, world } = controller;
    const trusted = { store, clock: world.clock, roots: [world.pki.root.der], issuers: [authority.certificate] };
    const actor = await authenticateOperator(trusted, [this.#certificate, ...this.#chain]);
    expect(actor.role).toBe("admin");
  }

  async #renew(): Promise<void> {
    const { controller } = this.#years;
    const operations = operationsOf({
      ...{ ...controller, clock: controller.world.clock, ownExpiries: async () => [] },
      random: new SeededRandom(1),
      verifyAudit: () => verifyAudit(controller.store),
    });
    const csr = await encodeCsr({ signer: testSigner("P-256"), commonName: "alice" });
    this.renewals += 1;
    const name = `alice-${this.renewals}`;
    const made = await operations.operators.create(administrator, { name, role: "admin", csr });
    this.#certificate = made.certificate;
    this.#chain = made.chain;
  }
}

describe("twelve years", () => {
  it("pass, and with them every certificate, key, list, head and bundle of the controller; nobody is locked out", async () => {
    const years = await begin();
    const { controller } = years;
    const [steady, late, sleeper] = [
      await TimeTraveller.enrol(controller, "steady-1"),
      await TimeTraveller.enrol(controller, "late-1"),
      await TimeTraveller.enrol(controller, "sleeper-1"),
    ];
    const alice = new Administrator(years);
    const firstIssuing = parseCertificate(controller.authority.certificate);
    const bundles = [controller.trust.current()];
    const returns = { late: 0, sleeper: 0 };
    for (const end = years.now + 12 * year; years.now < end; controller.world.clock.advance(6 * day + hour)) {
      await years.round();
      expect(years.failures).toEqual([]);
      if (years.now > controller.trust.current().expires - 30 * day) bundles.push(await years.renewTrust());
      await alice.comeIn();

      const chain = years.chain("broker");
      const peer = await steady.connect(chain);
      await steady.keepUp(peer);
      if (steady.isDue(years.now)) await steady.rotate(peer);

      // Comes once in the last week of its certificate.
      if (late.notAfter - years.now < 7 * day) {
        const returning = await late.connect(chain);
        await late.keepUp(returning);
        await late.rotate(returning);
        returns.late += 1;
      }
      // Comes when its certificate has ended long ago, and bundles and command keys with it.
      if (years.now - sleeper.notAfter > 80 * day) {
        await sleeper.comeBack(chain);
        await sleeper.keepUp(await sleeper.connect(chain));
        returns.sleeper += 1;
      }
    }
    expect(years.now).toBeGreaterThan(firstIssuing.notAfter);
    expect(spkiSha256(parseCertificate(controller.authority.certificate).spki)).toBe(spkiSha256(firstIssuing.spki));
    expect(bundles.length).toBeGreaterThan(10);
    expect(years.now).toBeGreaterThan(bundles.at(-3)?.expires ?? Number.POSITIVE_INFINITY);
    expect(years.replaced).toBeGreaterThan(200);
    expect(alice.renewals).toBeGreaterThan(5);
    expect(steady.generation).toBeGreaterThan(60);
    expect(returns.late).toBeGreaterThan(40);
    expect(returns.sleeper).toBeGreaterThan(20);
    await expectIntentsBeforeSignatures(controller);
    const again = await startTestController({ world: controller.world });
    expect(again.authority.certificate).toEqual(controller.authority.certificate);
    expect(parseCertificate(again.authority.certificate).notAfter).toBeGreaterThan(years.now + 5 * year);
  });
});

describe("a trust bundle that nobody renewed", () => {
  it("leaves devices connected, authenticates its successor after its end, and everything goes on", async () => {
    const years = await begin();
    const { controller } = years;
    const device = await TimeTraveller.enrol(controller, "edge-1");
    const old = controller.trust.current();
    while (years.hasCommandKey) {
      await years.round();
      const peer = await device.connect(years.chain("broker"));
      if (device.isDue(years.now)) await device.rotate(peer);
      controller.world.clock.advance(5 * day);
    }
    expect(years.now).toBeGreaterThan(old.expires);
    expect(years.failures).toEqual([]);

    await years.round();
    expect(years.failures.length).toBeGreaterThan(0);
    expect(years.failures.every((text) => text.includes("no command key"))).toBe(true);
    const peer = await device.connect(years.chain("broker"));
    await expect(device.keepUp(peer)).rejects.toThrow();
    years.failures = [];

    const renewed = await years.renewTrust();
    const envelope = controller.trust.walk().at(-1) ?? new Uint8Array();
    expect(acceptTrustBundle(envelope, { bundle: old })).toEqual(renewed);
    await years.round();
    expect(years.failures).toEqual([]);
    await device.keepUp(peer);
    await device.rotate(peer);
  });

  it("is not replaced by one of another root, nor by an older one", async () => {
    const years = await begin();
    const other = await begin();
    years.controller.world.clock.advance(500 * day);
    const envelope = other.controller.trust.walk().at(-1) ?? new Uint8Array();
    await expect(years.controller.trust.publish(envelope, "local")).rejects.toMatchObject({ code: "trust-invalid" });
    const own = years.controller.trust.walk().at(-1) ?? new Uint8Array();
    await expect(years.controller.trust.publish(own, "local")).rejects.toMatchObject({ code: "trust-invalid" });
  });
});

describe("a clock that leaps", () => {
  it.each([
    ["forward", 2 * hour],
    ["forward by years", 3 * year],
    ["back", -2 * hour],
    ["back by years", -3 * year],
  ])("%s: nothing is signed or said under it, and all goes on when it is right again", async (_, leap) => {
    const years = await begin();
    const { controller } = years;
    const { clock } = controller.world;
    const device = await anEnrolledDevice(controller, "edge-1");
    const traveller = await TimeTraveller.enrol(controller, "edge-2");
    clock.advance(2 * day);
    await years.round();
    const before = { certificates: await certificatesOf(controller), keys: await keysOf(controller) };
    const said = controller.published.length;

    clock.jump(leap);
    await years.round();
    await years.round();
    await expect(device.ask({ type: "time-request" })).rejects.toThrow();
    await expect(device.rotate()).rejects.toThrow();
    expect(new Set(years.failures.map((text) => text.includes("clock leapt")))).toEqual(new Set([true]));
    expect(await certificatesOf(controller)).toEqual(before.certificates);
    expect(await keysOf(controller)).toEqual(before.keys);
    expect(controller.published.slice(said)).toEqual([]);
    expect(await years.readiness()).toMatchObject({
      ready: false,
      reasons: expect.arrayContaining([expect.stringContaining("clock leapt")]),
    });

    clock.jump(-leap);
    years.failures = [];
    clock.advance(2 * day);
    await years.round();
    expect(years.failures).toEqual([]);
    expect(await years.readiness()).toMatchObject({ ready: true });
    await device.rotate();
    const peer = await traveller.connect(years.chain("broker"));
    await traveller.keepUp(peer);

    // Whoever looked at the time starts the controller again, and it is let in, whatever was written meanwhile.
    clock.jump(leap);
    await controller.enrolment.createClaim("local", { maxUses: 1, validFor: hour });
    clock.jump(-leap);
    const again = await startTestController({ world: controller.world });
    expect(await anEnrolledDevice(again, "edge-3")).toMatchObject({ generation: 1 });
  });
});

describe("a controller that was started under a wrong clock", () => {
  it("is not let in again under the right one, until the root begins a new era; then everybody follows", async () => {
    const years = await begin();
    const { world } = years.controller;
    const device = await TimeTraveller.enrol(years.controller, "edge-1");
    world.clock.jump(year);
    const wrong = await startTestController({ world });
    const wrongYears = new Years(wrong);
    await wrongYears.round();
    expect(wrongYears.failures).toEqual([]);
    world.clock.jump(-year);
    await expect(startTestController({ world })).rejects.toMatchObject({
      code: "clock-leapt",
      hint: expect.stringContaining("--new-era"),
    });

    world.bundles.push(await years.makeBundle({ raiseEra: true }));
    const again = new Years(await startTestController({ world }));
    await again.controller.trust.announce();
    await again.round();
    expect(again.failures).toEqual([]);
    expect(again.controller.trust.era).toBe(2);
    await device.moveTo(again.controller);
    const peer = await device.connect(again.chain("broker"));
    await device.keepUp(peer);
    await device.rotate(peer);
    const fresh = await TimeTraveller.enrol(again.controller, "edge-2");
    await fresh.keepUp(await fresh.connect(again.chain("broker")));
    expect(await verifyAudit(again.controller.store)).toMatchObject({ ok: true });
  });
});

async function certificatesOf({ store }: TestController): Promise<string[]> {
  return (await store.transaction((tx) => tx.certificates.list({ limit: 1000 }))).map(({ sha256 }) => sha256);
}

async function keysOf({ world }: TestController): Promise<string[]> {
  return (await world.keys.list("")).map(({ ref }) => ref);
}

/** I2: no CA certificate and no list without an intent before it; I9: the chain verifies over all the years. */
async function expectIntentsBeforeSignatures({ store }: TestController): Promise<void> {
  expect(await verifyAudit(store)).toMatchObject({ ok: true });
  const intents = new Set<unknown>();
  let made = 0;
  for (let from = 1; ; from += 1000) {
    const entries = await store.transaction((tx) => tx.audit.list(from, 1000));
    if (entries.length === 0) break;
    for (const { action, outcome, details } of entries) {
      const { tbsSha256 } = JSON.parse(details) as Record<string, unknown>;
      if (outcome === "intent") intents.add(tbsSha256);
      if (action !== "ca.created") continue;
      made += 1;
      expect(intents.has(tbsSha256)).toBe(true);
    }
  }
  expect(made).toBeGreaterThan(0);
}
