import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningAgent, readConfig, startAgent } from "@fleetcert/agent";
import { pemEncode } from "@fleetcert/shared";
import mqtt, { type MqttClient } from "mqtt";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { agentIdentity } from "../../support/agent/agent-identity.ts";
import { KeptLog } from "../../support/agent/agent-surroundings.ts";
import { quickPace } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { memoryKeyProvider } from "../../support/keys/memory-key-provider.ts";
import { testPki } from "../../support/pki/test-pki.ts";
import { softwareIdentity, type TlsIdentity } from "../../support/pki/tls-identity.ts";
import { type BoundMosquitto, prepareBoundMosquitto } from "../../support/programs/bound-mosquitto.ts";
import { mosquittoPart } from "../../support/programs/mosquitto.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([mosquittoPart], "an external broker beside ours", () => {
  let folder: string;
  let controller: RealController;
  let mosquitto: BoundMosquitto;
  const agents: RunningAgent[] = [];
  const identities = new Map<string, TlsIdentity>();

  afterEach(() => mosquitto.stop());
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fleetcert-external-test-"));
    controller = await realController();
    const elsewhere = await testPki();
    const server = await softwareIdentity(elsewhere, "broker", { subjectAlternativeNames: [{ ip: "127.0.0.1" }] });
    mosquitto = await prepareBoundMosquitto({ server, ca: pemEncode("CERTIFICATE", controller.running.root) });
    const caFile = join(folder, "broker-ca.pem");
    await writeFile(caFile, pemEncode("CERTIFICATE", elsewhere.root.certificate.der));
    for (const device of ["press-1", "press-2"]) await enrol(device);
    await writeFile(mosquitto.crlFile, await presentLists());
    const { port, controlPort, crlFile, pidFile, passwordFile } = mosquitto;
    const control = { port: controlPort, passwordFile };
    const external = [{ name: "plant-floor", port, caFile, crlFile, pidFile, control }];
    await appendFile(join(controller.data, "config.yaml"), stringify({ externalBrokers: external }));
  }, 60_000);
  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    await mosquitto?.stop();
    mosquitto?.remove();
    await controller?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    ["identity-not-bound", /push out another by its client id/],
    ["topics-not-bound", /publish under the name of another/],
    ["no-certificate-needed", /a client without a certificate through/],
  ] as const)("keeps the controller from serving when it is set up with a mistake: %s", async (mistake, message) => {
    await mosquitto.start(mistake);
    await expect(controller.restart()).rejects.toMatchObject({
      code: "config-invalid",
      message: expect.stringMatching(message),
    });
  });

  it("keeps the controller from serving when it is not there to be looked at", async () => {
    await expect(controller.restart()).rejects.toMatchObject({ code: expect.stringMatching(/hook-failed|offline/) });
  });

  it("refuses a revoked device and ends its session, and leaves the others theirs", async () => {
    await mosquitto.start();
    await controller.restart();
    const [bad, good] = [await connect("press-1"), await connect("press-2")];
    let ends = 0;
    good.on("close", () => {
      ends += 1;
    });
    const closed = vi.fn();
    bad.on("close", closed);
    const startedAt = performance.now();
    await controller.running.operations.revocations.revoke(administrator, {
      device: "press-1",
      reason: "keyCompromise",
    });
    await vi.waitFor(() => expect(closed).toHaveBeenCalled(), 5000);
    process.stderr.write(`    refused and kicked after ${Math.round(performance.now() - startedAt)} ms\n`);
    await expect(connect("press-1")).rejects.toThrow();
    expect(good.connected).toBe(true);
    expect(ends).toBe(0);
    expect(await audited("externalBroker")).toEqual([]);
    await good.endAsync();
  }, 60_000);

  it("gets new lists also without a revocation, and what it missed while it was away", async () => {
    const { operations } = controller.running;
    await operations.revocations.revoke(administrator, { device: "press-2", reason: "certificateHold" });
    const missed = await readFile(mosquitto.crlFile, "utf8");
    await mosquitto.start();
    await vi.waitFor(async () => expect(await readFile(mosquitto.crlFile, "utf8")).toBe(missed), 1000);
    await expect(connect("press-2")).rejects.toThrow();
    await operations.revocations.undo(administrator, { device: "press-2" });
    await vi.waitFor(async () => (await connect("press-2")).endAsync(), { timeout: 20_000, interval: 250 });
  }, 60_000);

  async function enrol(device: string): Promise<void> {
    const claimFile = join(folder, `${device}.claim`);
    await writeFile(claimFile, `${await controller.claim()}\n`, { mode: 0o600 });
    const { operational, bootstrap } = controller.endpoints;
    const text = stringify({
      device,
      controller: { host: "127.0.0.1", port: operational.port, bootstrapPort: bootstrap.port },
      claimFile,
      pace: quickPace,
    });
    const keys = memoryKeyProvider();
    const config = { ...readConfig({ file: { name: "config.yaml", text } }), data: join(folder, device) };
    agents.push(await startAgent(config, { keys, log: new KeptLog() }));
    identities.set(device, await agentIdentity(join(folder, device), keys));
  }

  async function presentLists(): Promise<string> {
    const { operations, duties } = controller.running;
    const lists: Uint8Array[] = [...duties.trust.current().rootLists];
    for (const { issuer, shard } of await operations.crls.list(administrator)) {
      lists.push((await operations.crls.show(administrator, issuer, shard)).der);
    }
    return lists.map((der) => pemEncode("X509 CRL", der)).join("");
  }

  async function connect(device: string): Promise<MqttClient> {
    const identity = identities.get(device);
    const options = {
      reconnectPeriod: 0,
      connectTimeout: 5000,
      rejectUnauthorized: false,
      clientId: device,
      ...identity,
    };
    const client = await mqtt.connectAsync(`mqtts://127.0.0.1:${mosquitto.port}`, options, false);
    await client.subscribeAsync(`fleetcert/1/device/${device}/down/#`);
    return client;
  }

  async function audited(name: string) {
    const entries = await controller.running.operations.audit.list(administrator, {});
    return entries.filter(({ action }) => action.startsWith(name));
  }
});
