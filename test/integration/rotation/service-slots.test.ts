import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type HostService, startMosquittoService, startNginxService } from "../../../scripts/demo/host-service.ts";
import {
  type Exchange,
  httpExchange,
  mqttExchange,
  servedSha256,
  startLoad,
} from "../../../scripts/demo/steady-load.ts";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { eventually } from "../../support/eventually.ts";
import { mosquittoPart } from "../../support/programs/mosquitto.ts";
import { nginxPart } from "../../support/programs/nginx.ts";
import { describeWith, type OptionalPart } from "../../support/programs/optional-part.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

interface Kind {
  readonly name: string;
  readonly part: OptionalPart;
  readonly start: (folder: string, slot: string) => Promise<HostService>;
  readonly exchange: Exchange;
}

const kinds: readonly Kind[] = [
  { name: "nginx", part: nginxPart, start: startNginxService, exchange: httpExchange },
  { name: "Mosquitto", part: mosquittoPart, start: startMosquittoService, exchange: mqttExchange },
];

for (const { name, part, start, exchange } of kinds) {
  describeWith([part], `the certificate of a real ${name}`, () => {
    let directory: string;
    let controller: RealController;
    let fleet: RealAgents;
    let agent: RealAgent;
    let service: HostService;

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "fc-slots-"));
      service = await start(join(directory, "service"), "web");
      controller = await realController({ settings: { graceAfterProof: "200ms", renewalWindow: "1s" }, profiles });
      fleet = await RealAgents.open({ settingsOf: () => ({ slots: [service.slot] }) });
      const claim = await controller.claim({ attributes: { site: "Berlin" } });
      agent = await fleet.start("edge-1", controller.endpoints, claim);
    });
    afterAll(async () => {
      await fleet?.close();
      await controller?.close();
      await service?.stop();
      await rm(directory, { recursive: true, force: true });
    });

    const slot = () => agent.status().slots.find((one) => one.slot === "web");
    const isAt = (generation: number) =>
      eventually(() => expect(slot()).toMatchObject({ journal: "idle", certificate: { generation } }));
    const rotate = () =>
      controller.running.operations.rotations.request(administrator, { devices: ["edge-1"], slot: "web" });
    const certificatesOf = async () => {
      const { certificates } = await controller.running.operations.devices.show(administrator, "edge-1");
      return certificates.filter((one) => one.slot === "web");
    };

    it("comes from the fleet's CA, with the names of the registry, and is proven by the service", async () => {
      await isAt(1);
      expect(await servedSha256(service.port)).toBe(slot()?.certificate?.sha256);
      expect(service.originalSha256).not.toBe(slot()?.certificate?.sha256);
      const certificate = new X509Certificate(await readFile(join(service.files, "chain.pem")));
      const names = ["URI:urn:fleetcert:plant:device:edge-1:slot:web", "DNS:localhost", "DNS:edge-1.berlin.example"];
      expect(certificate.subjectAltName?.split(", ")).toEqual(names);
      expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
      expect((await stat(join(service.files, "key.pem"))).mode & 0o777).toBe(0o600);
      await eventually(async () => expect(await certificatesOf()).toMatchObject([{ generation: 1, state: "proven" }]));
    });

    it("is rotated under a steady load without a request that fails", async () => {
      const load = startLoad({ port: service.port, clients: 4, exchange });
      await eventually(() => expect(load.figures().requests).toBeGreaterThan(50));
      await rotate();
      await isAt(2);
      const before = load.figures().requests;
      await eventually(() => expect(load.figures().requests).toBeGreaterThan(before + 50));
      const { failed, firstFailure, served } = await load.stop();
      expect({ failed, firstFailure }).toEqual({ failed: 0, firstFailure: "" });
      expect(served).toHaveLength(2);
      expect(served.at(-1)).toBe(slot()?.certificate?.sha256);
      await eventually(async () => {
        const states = (await certificatesOf()).map(({ generation, state }) => [generation, state]);
        expect(states.toSorted()).toEqual([
          [1, "retired"],
          [2, "proven"],
        ]);
      });
    });

    it("goes back to the one before when the service does not take the new one, and says why", async () => {
      const old = await servedSha256(service.port);
      await service.breakReload(true);
      await rotate();
      await eventually(() => expect(slot()?.rollbacks).toBeGreaterThan(0));
      expect(await servedSha256(service.port)).toBe(old);
      expect(new X509Certificate(await readFile(join(service.files, "chain.pem"))).fingerprint256).toBe(
        fingerprintOf(old),
      );
      await eventually(async () => {
        const { report } = await controller.running.operations.devices.show(administrator, "edge-1");
        const { slots } = JSON.parse(report ?? "{}") as { readonly slots: readonly { readonly slot: string }[] };
        expect(slots.find((one) => one.slot === "web")).toMatchObject({
          generation: 2,
          rollbackCause: expect.stringMatching(/^(reload|verify): /),
        });
      });
      const states = (await certificatesOf()).map(({ generation, state }) => [generation, state]);
      expect(states).toContainEqual([2, "proven"]);
      await service.breakReload(false);
      await isAt(3);
      expect(await servedSha256(service.port)).toBe(slot()?.certificate?.sha256);
    });

    it("survives the end of the agent, and is put right when its files were lost", async () => {
      const sha256 = await servedSha256(service.port);
      await rm(join(service.files, "current"));
      agent = await agent.restarted();
      await eventually(() => expect(existsSync(join(service.files, "chain.pem"))).toBe(true));
      await isAt(3);
      await eventually(async () => expect(await servedSha256(service.port)).toBe(sha256));
    });
  });
}

function fingerprintOf(sha256: string): string {
  return (sha256.toUpperCase().match(/../g) ?? []).join(":");
}

const profiles = `profiles:
  device:
    slots: { web: web }
  web:
    extendedKeyUsage: [serverAuth]
    alternativeNames: [localhost, "{device}.{site}.example"]
`;
