import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type HostService, startNginxService } from "../../../scripts/demo/host-service.ts";
import { servedSha256 } from "../../../scripts/demo/steady-load.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { OfflineDevice } from "../../support/devices/offline-device.ts";
import { nginxPart } from "../../support/programs/nginx.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

const technician = { name: "operator:alice", role: "field" } as const;

describeWith([nginxPart], "a real nginx on a device without network", () => {
  let directory: string;
  let controller: RealController;
  let service: HostService;
  let device: OfflineDevice;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "fc-carried-"));
    service = await startNginxService(join(directory, "service"), "web");
    controller = await realController({ profiles });
    const place = {
      endpoints: controller.endpoints,
      claim: () => controller.claim({ attributes: { site: "Berlin", connectivity: "courier" } }),
    };
    device = await OfflineDevice.enrol(directory, "edge-1", place, { slots: [service.slot] });
  });
  afterAll(async () => {
    await controller?.close();
    await service?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** One visit of the technician. */
  async function carry(renew: boolean) {
    const { reply, answers } = await controller.running.operations.courier.exchange(
      technician,
      await device.export(renew),
    );
    return { answers, applied: await device.import(reply) };
  }

  it("serves its new certificate with the first reply, and the controller knows it with the next bundle", async () => {
    const before = await servedSha256(service.port);
    expect(await device.generations()).toEqual({ identity: 1, web: 1 });
    const first = await carry(true);
    expect(first.applied).toMatchObject({ issued: { identity: 2, web: 2 }, refused: [] });
    expect(await servedSha256(service.port)).not.toBe(before);
    const second = await carry(false);
    expect(second.answers.filter(({ asked }) => asked === "activated")).toEqual([
      { asked: "activated", answer: "confirmed", slot: "identity", generation: 2 },
      { asked: "activated", answer: "confirmed", slot: "web", generation: 2 },
    ]);
    expect(second.applied).toMatchObject({ confirmed: { identity: 2, web: 2 } });
    expect(await device.generations()).toEqual({ identity: 2, web: 2 });
    const { certificates } = await controller.running.operations.devices.show(administrator, "edge-1");
    const inUse = certificates.find(({ slot, state }) => slot === "web" && state === "proven");
    expect(await servedSha256(service.port)).toBe(inUse?.sha256);
  });
});

const profiles = `profiles:
  device:
    slots: { web: web }
  web:
    extendedKeyUsage: [serverAuth]
    alternativeNames: [localhost, "{device}.{site}.example"]
`;
