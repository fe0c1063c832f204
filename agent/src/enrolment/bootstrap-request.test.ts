import { type Body, bootstrapClientId, type Message } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { beforeEach, describe, expect, it } from "vitest";
import { aBootstrapDevice } from "../../../test/support/devices/bootstrap-device.ts";
import { testFleet, testNow } from "../../../test/support/pki/fleet-trust.ts";

const year = 365 * 86_400_000;

describe("a request over bootstrap", () => {
  let device: Awaited<ReturnType<typeof aBootstrapDevice>>;
  beforeEach(async () => {
    device = await aBootstrapDevice();
  });

  it("brings a certificate, and with it trust and time", async () => {
    expect(await device.ask()).toMatchObject({ type: "issued" });
    expect(device.trust.current()).toMatchObject({ fleet: testFleet, version: 1 });
    expect(device.time.floor()).toBe(testNow);
    const { clientId, claim } = device.controller.link.connects[0] as {
      clientId: string;
      claim?: { id: string; secret: Uint8Array };
    };
    expect(clientId).toBe(bootstrapClientId(device.key.id));
    expect(claim?.id).toBe("claim0001");
    expect(claim?.secret).toEqual(Uint8Array.from({ length: 16 }, (_, index) => index + 1));
    expect(device.controller.link.sessionCount).toBe(0);
  });

  it.each([-20 * year, 20 * year])("works with a clock that is %d ms wrong", async (offset) => {
    const skewed = await aBootstrapDevice(testNow + offset);
    expect(await skewed.ask()).toMatchObject({ type: "issued" });
    expect(skewed.time.floor()).toBe(testNow);
  });

  it("sends no claim when the server does not lead to the pinned root", async () => {
    expect(await device.ask({ rootSha256: "ab".repeat(32) })).toMatchObject({ code: "path-invalid" });
    expect(device.controller.link.connects).toEqual([]);
  });

  it("hands a refusal back as it came, also of a code nobody knows here", async () => {
    device.controller.intervene = () => ({
      type: "refused",
      code: "moon-phase",
      message: "wait",
      hint: "",
      retryAfter: 7,
      trustBundles: [],
    });
    expect(await device.ask()).toMatchObject({ type: "refused", code: "moon-phase", retryAfter: 7 });
    expect(device.trust.current()).toBeUndefined();
  });

  it("takes a certificate for another device for a lie, and keeps nothing of it", async () => {
    const other = await aBootstrapDevice();
    await other.ask();
    const [stolen = new Uint8Array()] = other.controller.issued.values();
    device.controller.intervene = ({ body }: Message): Body | undefined =>
      body.type !== "enrol"
        ? undefined
        : {
            type: "issued",
            slot: "identity",
            generation: 1,
            certificate: stolen,
            chain: [],
            trustBundles: [device.controller.envelope],
          };
    expect(await device.ask()).toMatchObject({ code: "issued-mismatch" });
    expect(device.trust.current()).toBeUndefined();
    expect(device.time.floor()).toBe(0);
  });

  it("does not believe an answer that leads to no trust", async () => {
    device.controller.intervene = ({ body }: Message): Body | undefined =>
      body.type !== "enrol"
        ? undefined
        : {
            type: "issued",
            slot: "identity",
            generation: 1,
            certificate: Uint8Array.of(1),
            chain: [],
            trustBundles: [],
          };
    expect(await device.ask()).toMatchObject({ code: "timeout" });
  });

  it("asks again when an answer is lost, and gets the same certificate", async () => {
    let isFirst = true;
    device.controller.intervene = () => {
      if (!isFirst) return undefined;
      isFirst = false;
      return "lost";
    };
    expect(await device.ask()).toMatchObject({ type: "issued" });
    expect(device.controller.issued.size).toBe(1);
  });

  it("ends with a typed error when the cable is pulled", async () => {
    device.controller.link.isCut = true;
    expect(await device.ask()).toBeInstanceOf(FleetError);
    expect(await device.ask()).toMatchObject({ code: "offline" });
  });
});
