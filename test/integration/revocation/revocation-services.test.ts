import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningAgent, readConfig, startAgent } from "@fleetcert/agent";
import { type OpenKeyProvider, parseCertificate, parseCrl, pemDecode, pemEncode } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { askLocalSocket, serveLocalSocket } from "../../../agent/src/adapters/local-socket.ts";
import { answerLocal } from "../../../agent/src/cli/answer-local.ts";
import { dataPaths } from "../../../controller/src/adapters/files/data-directory.ts";
import { readPkiFiles } from "../../../controller/src/adapters/files/pki-files.ts";
import { freePort } from "../../../scripts/demo/free-ports.ts";
import { agentIdentity } from "../../support/agent/agent-identity.ts";
import { KeptLog } from "../../support/agent/agent-surroundings.ts";
import { quickPace } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { memoryKeyProvider } from "../../support/keys/memory-key-provider.ts";
import { testPki } from "../../support/pki/test-pki.ts";
import { softwareIdentity, type TlsIdentity } from "../../support/pki/tls-identity.ts";
import { isTaken, type Mosquitto, mosquittoPart, startMosquitto } from "../../support/programs/mosquitto.ts";
import { type Nginx, nginxPart, startNginx, statusFor } from "../../support/programs/nginx.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith(
  [mosquittoPart, nginxPart],
  "other software of a device, after a revocation with the controller down",
  () => {
    const log = new KeptLog();
    let directory: string;
    let controller: RealController;
    let gateway: RunningAgent;
    let stolen: { readonly agent: RunningAgent; readonly keys: OpenKeyProvider };
    let mosquitto: Mosquitto;
    let nginx: Nginx;
    let thief: TlsIdentity;
    let friend: TlsIdentity;
    let socket: { close(): Promise<void> };
    const inDirectory = (name: string) => join(directory, name);

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "fleetcert-services-"));
      controller = await realController();
      for (const name of ["mosquitto", "nginx"]) {
        await writeFile(
          inDirectory(`${name}.sh`),
          `#!/bin/sh\nexec kill -HUP "$(cat ${inDirectory(`${name}.pid`)})"\n`,
        );
        await chmod(inDirectory(`${name}.sh`), 0o755);
      }
      const output = (name: string) => ({
        file: inDirectory(`${name}-crl.pem`),
        reload: { command: [inDirectory(`${name}.sh`)], timeout: "5s" },
      });
      const revocation = {
        outputs: [output("mosquitto"), output("nginx")],
      };
      const gatewayKeys = memoryKeyProvider();
      gateway = await anAgent("gateway", { keys: gatewayKeys, revocation });
      const keys = memoryKeyProvider();
      stolen = { agent: await anAgent("stolen", { keys }), keys };
      await untilSettled(gateway);
      await untilSettled(stolen.agent);
      friend = await identityOf("gateway", gatewayKeys);
      thief = await identityOf("stolen", keys);
      await vi.waitFor(async () => expect(await listsIn("nginx")).toBeGreaterThanOrEqual(2), 20_000);

      const { root } = await pkiOf(controller);
      const ca = pemEncode("CERTIFICATE", root);
      const elsewhere = await testPki();
      const server = await softwareIdentity(elsewhere, "service", { subjectAlternativeNames: [{ ip: "127.0.0.1" }] });
      const acl = "topic readwrite #\n";
      mosquitto = await startMosquitto({ server, ca, acl, crlFile: inDirectory("mosquitto-crl.pem") });
      nginx = await startNginx({ port: await freePort(), server, ca, crlFile: inDirectory("nginx-crl.pem") });
      await writeFile(inDirectory("mosquitto.pid"), String(mosquitto.pid));
      await writeFile(inDirectory("nginx.pid"), String(nginx.pid));
      socket = await serveLocalSocket(inDirectory("agent.sock"), (method, path, body) =>
        answerLocal(gateway, { method, path, body, signal: new AbortController().signal }),
      );
    }, 60_000);

    afterAll(async () => {
      await socket?.close();
      await gateway?.stop();
      await stolen?.agent.stop();
      await mosquitto?.stop();
      await nginx?.stop();
      await controller?.close();
      await rm(directory, { recursive: true, force: true });
    });

    async function anAgent(device: string, { keys, revocation }: { keys: OpenKeyProvider; revocation?: object }) {
      const claimFile = inDirectory(`${device}.claim`);
      await writeFile(claimFile, `${await controller.claim()}\n`, { mode: 0o600 });
      const { operational, bootstrap } = controller.endpoints;
      const text = stringify({
        device,
        controller: { host: "127.0.0.1", port: operational.port, bootstrapPort: bootstrap.port },
        claimFile,
        pace: quickPace,
        ...(revocation && { revocation }),
      });
      const config = readConfig({ file: { name: "config.yaml", text } });
      return startAgent({ ...config, data: inDirectory(device) }, { keys, log });
    }

    const identityOf = (device: string, keys: OpenKeyProvider): Promise<TlsIdentity> =>
      agentIdentity(inDirectory(device), keys);

    async function listsIn(name: string): Promise<number> {
      const text = await readFile(inDirectory(`${name}-crl.pem`), "utf8").catch(() => "");
      return pemDecode(text, "X509 CRL").map(parseCrl).length;
    }

    const atMosquitto = (identity: TlsIdentity): Promise<boolean> => isTaken(mosquitto, identity);
    const atNginx = (identity: TlsIdentity): Promise<number> => statusFor(nginx, identity);

    it("mosquitto-refused, nginx-refused: within seconds, and the agent tells everybody who asks", async () => {
      expect([await atMosquitto(thief), await atNginx(thief)]).toEqual([true, 200]);
      expect([await atMosquitto(friend), await atNginx(friend)]).toEqual([true, 200]);
      const [leaf] = pemDecode(thief.cert, "CERTIFICATE");
      const { serial } = parseCertificate(leaf as Uint8Array);
      const issuer = controller.running.issuerId;
      const ask = async () =>
        (await askLocalSocket(inDirectory("agent.sock"), "GET", `/v1/revocation/${issuer}/${serial.hex}`)) as {
          readonly status: string;
          readonly reason?: string;
        };
      expect(await ask()).toMatchObject({ status: "good", epoch: { isStale: false } });

      await controller.running.operations.revocations.revoke(administrator, {
        device: "stolen",
        reason: "keyCompromise",
      });
      await vi.waitFor(() => expect(gateway.revocation.isRevoked(issuer, serial).status).toBe("revoked"), {
        timeout: 10_000,
        interval: 5,
      });
      const appliedAt = performance.now();
      const held = (agent: RunningAgent) => [
        ...new Set(agent.revocation.show().flatMap(({ shards }) => shards.map(({ holds }) => holds.join(" and ")))),
      ];
      expect([held(gateway), held(stolen.agent)]).toEqual([["snapshot and list"], ["snapshot"]]);
      await controller.running.stop();
      await vi.waitFor(async () => expect([await atMosquitto(thief), await atNginx(thief)]).toEqual([false, 400]), {
        timeout: 10_000,
        interval: 50,
      });
      const seconds = (performance.now() - appliedAt) / 1000;
      expect(seconds).toBeLessThan(8);
      expect([await atMosquitto(friend), await atNginx(friend)]).toEqual([true, 200]);
      expect(await ask()).toMatchObject({ status: "revoked", reason: "keyCompromise" });
      await expect(askLocalSocket(inDirectory("agent.sock"), "GET", "/v1/revocation/x/01")).rejects.toMatchObject({
        code: "request-invalid",
      });
    }, 60_000);
  },
);

const pkiOf = ({ data }: RealController) => readPkiFiles(dataPaths(data));

async function untilSettled(agent: RunningAgent): Promise<void> {
  const isSettled = () => {
    const { slots, connection } = agent.status();
    return slots[0]?.journal === "idle" && slots[0].certificate !== undefined && connection?.state === "connected";
  };
  await vi.waitFor(() => expect(isSettled()).toBe(true), { timeout: 20_000, interval: 50 });
}
