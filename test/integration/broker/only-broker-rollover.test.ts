import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeCsr, pemEncode } from "@fleetcert/shared";
import mqtt from "mqtt";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { testSigner } from "../../support/keys/test-signer.ts";
import type { TlsIdentity } from "../../support/pki/tls-identity.ts";
import { mosquittoPart } from "../../support/programs/mosquitto.ts";
import { type OnlyMosquitto, onlyMosquitto } from "../../support/programs/only-mosquitto.ts";
import { describeWith } from "../../support/programs/optional-part.ts";
import { execute } from "../../support/programs/runbook.ts";

describeWith([mosquittoPart], "a change of CAs over a Mosquitto that is the only broker", () => {
  let folder: string;
  let mosquitto: OnlyMosquitto;
  let controller: RealController;
  let fleet: RealAgents;
  let here: RealAgent;
  let away: RealAgent;

  const fleetcert = (command: string) => execute(`fleetcert --data ${controller.data} ${command} --json`, {});
  const newestOf = async (id: string) => {
    const { certificates } = await controller.running.operations.devices.show(administrator, id);
    return certificates.find(({ state }) => state === "proven");
  };
  const issuing = () => controller.running.duties.issuers.issuing.id;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fleetcert-only-"));
    const restart = join(folder, "restart.sh");
    mosquitto = await onlyMosquitto({ restart: [restart] });
    const prepare = async (data: string) => {
      await mosquitto.prepare(data);
      await mosquitto.start();
      // As systemd would: it goes, and another comes up with the files as they are now.
      const lines = [
        `old=$(cat ${mosquitto.file("mosquitto.pid")})`,
        "kill $old",
        "while kill -0 $old 2>/dev/null; do sleep 0.1; done",
        `$(command -v mosquitto || echo /usr/sbin/mosquitto) -d -c ${mosquitto.file("used.conf")}`,
      ];
      await writeFile(restart, `#!/bin/sh\n${lines.join("\n")}\n`, { mode: 0o755 });
    };
    [controller, fleet] = await Promise.all([
      realController({ prepare, settings: { ...mosquitto.settings, ...quick } }),
      RealAgents.open(),
    ]);
    const claim = await controller.claim({ maxUses: 2 });
    [here, away] = (await Promise.all(
      ["press-1", "press-2"].map((id) => fleet.start(id, controller.endpoints, claim)),
    )) as [RealAgent, RealAgent];
    await eventually(() => {
      for (const { status } of [here, away]) {
        const { slots, connection } = status();
        expect([slots[0]?.certificate?.generation, connection?.state]).toEqual([1, "connected"]);
      }
    });
    const csr = await encodeCsr({ signer: testSigner("P-256"), commonName: "bob" });
    await controller.running.operations.operators.create(administrator, { name: "bob", role: "approver", csr });
  }, 120_000);
  afterAll(async () => {
    await fleet?.close();
    // The one that was started again is nobody's child.
    const running = Number(await readFile(mosquitto.file("mosquitto.pid"), "utf8").catch(() => "0"));
    if (running > 0) process.kill(running);
    await controller?.close();
    await mosquitto?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** What somebody with the key of the CA that issues now could make. */
  async function forged(): Promise<TlsIdentity> {
    const key = testSigner("P-256");
    const { duties } = controller.running;
    const { der } = await duties.issuance.toController({
      ...{ actor: "controller", commonName: "nobody", usage: "clientAuth", hosts: [], profile: "probe" },
      ...{ spki: key.spki, keyAlgorithm: "P-256", validity: 30 * 86_400_000, backdate: 3_600_000 },
      commit: async () => undefined,
    });
    const chain = [der, duties.authority.certificate];
    return { key: key.privatePem, cert: chain.map((one) => pemEncode("CERTIFICATE", one)).join("") };
  }

  const comesIn = (identity: TlsIdentity): Promise<boolean> => {
    const options = {
      port: mosquitto.port,
      clientId: "nobody",
      reconnectPeriod: 0,
      rejectUnauthorized: false,
      ...identity,
    };
    return mqtt.connectAsync("mqtts://127.0.0.1", options, false).then(
      async (client) => {
        await client.endAsync();
        return true;
      },
      () => false,
    );
  };

  async function changeCa(...flags: string[]): Promise<void> {
    const words = ["ca rollover start", ...flags, "--always 0 --daily 0 --rare 0 --soak 0s"];
    const started = await fleetcert(words.join(" "));
    expect(started, started.stderr).toMatchObject({ code: 0 });
    await eventually(async () => {
      expect((await fleetcert("ca rollover status")).json).toMatchObject({ rollover: { state: "retiring" } });
    });
  }

  it("refuses what a distrusted CA has signed: Mosquitto is started again, which forgets no list otherwise", async () => {
    const from = issuing();
    const thief = await forged();
    expect(await comesIn(thief), mosquitto.log()).toBe(true);
    const before = (await readFile(mosquitto.file("mosquitto.pid"), "utf8")).trim();
    await changeCa();
    const waiting = await fleetcert(`ca distrust ${from} --yes`);
    const hash = /plan ([0-9a-f]{64}) waits/.exec(waiting.stderr)?.[1] ?? "";
    await controller.running.operations.plans.approve({ name: "operator:bob", role: "approver" }, hash);
    const distrusted = await fleetcert(`ca distrust ${from} --yes`);
    expect(distrusted, distrusted.stderr).toMatchObject({ code: 0 });
    await eventually(async () => expect(await comesIn(thief)).toBe(false));
    await eventually(async () => expect(await comesIn(await forged())).toBe(true));
    expect((await readFile(mosquitto.file("mosquitto.pid"), "utf8")).trim()).not.toBe(before);
    await eventually(() => {
      for (const { status } of [here, away]) expect(status().connection?.state).toBe("connected");
    });
    expect(await comesIn(thief)).toBe(false);
  }, 180_000);

  it("changes the root with a device away for all of it, which comes back by its old certificate", async () => {
    await away.stop();
    const { devices } = controller.running.operations;
    await devices.set(administrator, away.id, { connectivity: "rare" });
    // Mosquitto tells nobody who went; a device that is silent has gone.
    await eventually(async () => {
      const { items } = await devices.list(administrator, {});
      expect(items.filter(({ connected }) => connected).map(({ id }) => id)).toEqual([here.id]);
    });
    await changeCa("--new-root");
    expect(await fleetcert("ca rollover finish")).toMatchObject({ code: 0 });
    await eventually(async () => expect((await newestOf(here.id))?.issuer).toBe(issuing()));
    await eventually(() => expect(here.status().connection?.state).toBe("connected"));
    expect((await newestOf(away.id))?.issuer).not.toBe(issuing());
    const back = await away.restarted();
    await eventually(async () => expect((await newestOf(away.id))?.issuer).toBe(issuing()));
    const { version } = controller.running.duties.trust.current();
    await eventually(() => {
      for (const agent of [here, back]) {
        expect([agent.status().connection?.state, agent.status().trust?.version]).toEqual(["connected", version]);
      }
    });
  }, 180_000);
});

const quick = { graceAfterProof: "200ms", renewalWindow: "1s", reportInterval: "2s" };

const eventually = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 60_000, interval: 200 });
