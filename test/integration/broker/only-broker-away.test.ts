import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type FollowingBroker, followLists } from "../../../controller/src/adapters/mosquitto/follow-lists.ts";
import { openMqttSession } from "../../../controller/src/adapters/mosquitto/mqtt-session.ts";
import { issueProbe } from "../../../controller/src/cli/serving/probe-identities.ts";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { mosquittoPart } from "../../support/programs/mosquitto.ts";
import { type OnlyMosquitto, onlyMosquitto } from "../../support/programs/only-mosquitto.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

const ids = ["press-1", "press-2", "press-3"];

describeWith([mosquittoPart], "a Mosquitto as the only broker, and what goes wrong with it", () => {
  let mosquitto: OnlyMosquitto;
  let controller: RealController;
  let fleet: RealAgents;
  let agents: RealAgent[] = [];
  let generation = 1;

  beforeAll(async () => {
    mosquitto = await onlyMosquitto({ lookEvery: "500ms" });
    const prepare = async (data: string) => {
      await mosquitto.prepare(data);
      await mosquitto.start();
    };
    const settings = { ...mosquitto.settings, graceAfterProof: "200ms", renewalWindow: "1s" };
    [controller, fleet] = await Promise.all([realController({ prepare, settings }), RealAgents.open()]);
    const claim = await controller.claim({ maxUses: 10 });
    agents = await Promise.all(ids.map((id) => fleet.start(id, controller.endpoints, claim)));
    await settled();
  }, 120_000);
  afterAll(async () => {
    await fleet?.close();
    await controller?.close();
    await mosquitto?.stop();
  });

  it("brings everything back after a restart, also what was asked for while it was away", async () => {
    await mosquitto.stop();
    await eventually(async () => expect(await readiness()).toContain("the external broker is away"));
    expect(await online()).toEqual([]);
    await askForRotation();
    await mosquitto.start();
    await settled();
    await eventually(async () => expect(await readiness()).toBe(""));
    await eventually(async () => expect(await online()).toEqual(ids));
  }, 60_000);

  it("publishes again what a broker that was killed has forgotten", async () => {
    const { epoch } = await revokeSomebody();
    await mosquitto.stop("SIGKILL");
    mosquitto.forgetRetained();
    await mosquitto.start();
    await settled();
    const claim = await controller.claim();
    const late = await fleet.start("press-9", controller.endpoints, claim);
    await eventually(() => expect(late.status().revocation[0]?.epoch).toBeGreaterThanOrEqual(epoch));
    await late.stop();
    await askForRotation();
    await settled();
  }, 60_000);

  it("goes on after a restart of the controller, which knows at once who is there", async () => {
    let wasLeftAlone = true;
    await controller.restart(async () => {
      wasLeftAlone = agents.every((agent) => agent.status().connection?.state === "connected");
    });
    expect(wasLeftAlone).toBe(true);
    expect(await online()).toEqual(expect.arrayContaining(ids));
    await askForRotation();
    await settled();
  }, 60_000);

  it("refuses every message of a suspended device, which Mosquitto itself lets in, until it is reinstated", async () => {
    const [suspect] = agents as [RealAgent];
    const { operations } = controller.running;
    await operations.devices.suspend(administrator, "press-1", "looks cloned");
    await eventually(() => expect(suspect.status().turnedAway ?? suspect.status().suspended).toBeTruthy());
    await operations.rotations.request(administrator, { devices: ["press-2", "press-3"] });
    generation += 1;
    await settled(agents.slice(1));
    await suspect.restarted().then((again) => agents.splice(0, 1, again));
    await eventually(async () => {
      const refused = await audited("message.refused");
      expect(refused.some(({ target, details }) => target === "press-1" && details.includes("device-suspended"))).toBe(
        true,
      );
    });
    const own = await operations.certificates.list(administrator, {});
    const newest = own.items.filter(({ device }) => device === "press-1").map((one) => one.generation);
    expect(Math.max(...newest)).toBe(generation - 1);
    await operations.devices.reinstate(administrator, "press-1");
    await operations.rotations.request(administrator, { devices: ["press-1"] });
    await settled();
  }, 60_000);

  it("is started anew as the last means, where it does not let the controller end a session", async () => {
    const { duties } = controller.running;
    const [good, other] = [await issueProbe(duties), await issueProbe(duties)];
    const port = Number(mosquitto.settings.broker["kickPort"]);
    const kick = { type: "password", host: "127.0.0.1", port, username: "fleetcert-kick", password: "wrong" } as const;
    const crlFile = mosquitto.file("crl.pem");
    const target = { type: "tls", host: "127.0.0.1", port: mosquitto.port, ca: undefined } as const;
    const session = await openMqttSession({ ...target, identity: other }, other.clientId);
    const broker: FollowingBroker = {
      ...{ name: "devices", host: "127.0.0.1", port: mosquitto.port, ca: undefined, crlFile, control: kick, kick },
      reload: async () => void process.kill(Number(await readFile(mosquitto.file("mosquitto.pid"), "utf8")), "SIGHUP"),
      restart: undefined,
      ended: () => expect.unreachable("it was ended without the right to"),
      write: writeFile,
    };
    const news = { lists: await readFile(crlFile, "utf8"), revoked: [], good, kick: [other.clientId] };
    await expect(followLists(broker, news)).rejects.toMatchObject({ code: "hook-failed" });
    expect(session?.hasEnded()).toBe(false);
    const restart = () => mosquitto.stop().then(() => mosquitto.start());
    await followLists({ ...broker, restart }, news);
    expect(session?.hasEnded()).toBe(true);
    await settled();
  }, 60_000);

  it("is not used while it lets a foreign identity through, and again when it does not", async () => {
    await mosquitto.stop();
    await mosquitto.start((text) =>
      text
        .replace("require_certificate true", "require_certificate false")
        .replace("allow_anonymous false", "allow_anonymous true")
        .replace("use_identity_as_username true", "use_identity_as_username false")
        .replace("use_username_as_clientid true", "use_username_as_clientid false"),
    );
    await eventually(async () => expect(await readiness()).toMatch(/lets a client without a certificate through/));
    await mosquitto.stop();
    await mosquitto.start();
    await eventually(async () => expect(await readiness()).toBe(""));
    await askForRotation();
    await settled();
  }, 60_000);

  it("is found out while it runs when its ACL is opened", async () => {
    const acl = await readFile(mosquitto.file("acl-devices"), "utf8");
    await writeFile(mosquitto.file("acl-devices"), "pattern readwrite #\n");
    process.kill(Number(await readFile(mosquitto.file("mosquitto.pid"), "utf8")), "SIGHUP");
    await eventually(async () => expect(await readiness()).toMatch(/under the name of another/));
    await writeFile(mosquitto.file("acl-devices"), acl);
    process.kill(Number(await readFile(mosquitto.file("mosquitto.pid"), "utf8")), "SIGHUP");
    await eventually(async () => expect(await readiness()).toBe(""));
  }, 60_000);

  it.each([
    [
      "takes clients without a certificate",
      "require_certificate true",
      "require_certificate false",
      /without a certificate/,
    ],
    ["lets clients choose their id", "use_username_as_clientid true", "", /push out another/],
    ["opens its topics", /acl_file .*acl-devices/, "", /under the name of another/],
    ["reads no lists", /crlfile .*/, "", /does not apply its lists/],
  ])(
    "keeps the controller from serving when it %s",
    async (_, setting, instead, message) => {
      await controller
        .restart(async () => {
          await mosquitto.stop();
          await mosquitto.start((text) => {
            const changed = text.replace(setting, instead);
            const anonymous = ["use_identity_as_username true", "use_username_as_clientid true"];
            if (instead !== "require_certificate false") return changed;
            return anonymous
              .reduce((rest, one) => rest.replace(one, ""), changed)
              .replace("allow_anonymous false", "allow_anonymous true");
          });
        })
        .then(
          () => expect.unreachable("it serves"),
          (error: unknown) =>
            expect(error).toMatchObject({ message: expect.stringMatching(message), hint: expect.any(String) }),
        );
      await mosquitto.stop();
      await mosquitto.start();
      await controller.restart();
    },
    60_000,
  );

  async function askForRotation(): Promise<void> {
    await controller.running.operations.rotations.request(administrator, { devices: ids });
    generation += 1;
  }

  async function revokeSomebody(): Promise<{ readonly epoch: number }> {
    const extra = await fleet.start("press-8", controller.endpoints, await controller.claim());
    await settled([extra], 1);
    return await controller.running.operations.revocations.revoke(administrator, {
      ...{ device: "press-8", reason: "keyCompromise" },
    });
  }

  async function settled(among: readonly RealAgent[] = agents, expected = generation): Promise<void> {
    await eventually(() => {
      const seen = among.map(({ id, status }) => {
        const { slots, connection } = status();
        return [id, slots[0]?.journal, slots[0]?.certificate?.generation, connection?.state];
      });
      expect(seen).toEqual(among.map(({ id }) => [id, "idle", expected, "connected"]));
    });
  }

  async function readiness(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${controller.endpoints.http.port}/readyz`);
    return response.ok ? "" : await response.text();
  }

  async function online(): Promise<string[]> {
    const { items } = await controller.running.operations.devices.list(administrator, {});
    return items.filter(({ connected }) => connected).map(({ id }) => id);
  }

  async function audited(action: string) {
    const all = await controller.running.operations.audit.list(administrator, {});
    return all.filter((entry) => entry.action === action);
  }
});

const eventually = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 30_000, interval: 50 });
