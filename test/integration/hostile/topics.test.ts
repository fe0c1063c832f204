import { bootstrapClientId, formatTopic, upKinds } from "@fleetcert/proto";
import { sha256Hex } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AttackerClient, dialTls } from "../../support/attackers/attacker-client.ts";
import { AttackerDevice } from "../../support/attackers/attacker-device.ts";
import { connectPacket, publishPacket, subscribePacket, unsubscribePacket } from "../../support/broker/mqtt-packets.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";

const ids = ["edge-1", "edge-2", "edge-11", "edge", "e.dge_1"];
let controller: RealController;
let devices: AttackerDevice[];

beforeAll(async () => {
  controller = await realController();
  devices = await Promise.all(ids.map((id) => new AttackerDevice(controller, id).join()));
});
afterAll(() => controller.close());

const issuer = () => controller.running.issuerId;

/** Filters that reach, or seem to reach, what is not a device's own. */
function strangeFilters(id: string): string[] {
  const others = ids.filter((other) => other !== id);
  return [
    ...["#", "+", "+/#", "+/+/#", "/#", "$SYS/#", "$SYS/+", "$share/g/#", `$share/g/fleetcert/1/device/${id}/down/#`],
    ...["fleetcert/#", "fleetcert/1/#", "fleetcert/+/#", "fleetcert/1/device/#", "fleetcert/1/device/+/down/#"],
    ...["fleetcert/1/device/+/desired", "fleetcert/1/+/#", "fleetcert/1/bootstrap/#", "fleetcert/1/fleet/#"],
    ...["fleetcert/1/fleet/+", "fleetcert/1/fleet/trust/#", "fleetcert/1/fleet/revocation/#"],
    ...[`fleetcert/1/device/${id}/#`, `fleetcert/1/device/${id}/up/#`, `fleetcert/1/device/${id}/down/+`],
    ...[`fleetcert/1/device/${id}/up/report`, `fleetcert/1/device/${id}`, `fleetcert/1/device/${id}/down/#/x`],
    ...["fleetcert/2/fleet/trust", "fleetcert/1/fleet/trust/", " fleetcert/1/fleet/trust", "fleetcert/1/fleet/Trust"],
    ...[`fleetcert/1/fleet/revocation/${issuer()}/+/crl/1/0`, `fleetcert/1/fleet/revocation/${issuer()}/#`],
    ...others.flatMap((other) => [
      `fleetcert/1/device/${other}/down/#`,
      `fleetcert/1/device/${other}/down/issued`,
      `fleetcert/1/device/${other}/desired`,
      `fleetcert/1/device/${other}/up/renew`,
    ]),
  ];
}

/** Topics a device has no business to publish on. */
function strangeTopics(id: string): string[] {
  const others = ids.filter((other) => other !== id);
  return [
    ...["#", "$SYS/broker/uptime", "fleetcert/1/fleet/trust", "fleetcert/1/fleet/trust/2", "fleetcert/1/x"],
    ...[`fleetcert/1/fleet/revocation/${issuer()}/head`, `fleetcert/1/fleet/revocation/${issuer()}/0/crl/1/0`],
    ...[`fleetcert/1/device/${id}/down/issued`, `fleetcert/1/device/${id}/desired`, `fleetcert/1/device/${id}/up/x`],
    ...[`fleetcert/1/device/${id}/up/report/x`, `fleetcert/1/device/${id}/up/+`, `fleetcert/1/device/+/up/report`],
    ...[`fleetcert/1/bootstrap/boot-${"0".repeat(40)}/up/enrol`, "$share/g/x", ""],
    ...others.map((other) => formatTopic({ type: "up", device: other, kind: "report" })),
  ];
}

describe("what a device may read", () => {
  it("is its own and the fleet's, whoever asks for whatever", async () => {
    let asked = 0;
    for (const device of devices) {
      const allowed = [
        formatTopic({ type: "trust" }),
        formatTopic({ type: "head", issuer: issuer() }),
        formatTopic({ type: "desired", device: device.id }),
      ];
      const session = await device.operational();
      for (const filter of strangeFilters(device.id)) {
        expect([filter, await subscribed(device, session, filter)]).toEqual([filter, "refused"]);
        asked += 1;
      }
      for (const filter of allowed) {
        expect([filter, await subscribed(device, session, filter)]).toEqual([filter, "granted"]);
      }
      session.stream.destroy();
    }
    expect(asked).toBeGreaterThan(200);
  });

  it("never includes what is said to another one, live or retained", async () => {
    const [eve, bob] = devices as [AttackerDevice, AttackerDevice];
    const session = await eve.operational();
    for (const filter of strangeFilters(eve.id).slice(0, 12)) session.send(subscribePacket(9, filter));
    await controller.running.operations.devices.set(administrator, bob.id, { site: "secret-site" });
    await controller.running.operations.rotations.request(administrator, { devices: [bob.id] });
    expect(await bob.ask(bob.activatedBody())).toMatchObject({ type: "confirmed" });
    expect(await eve.askOver(await eve.operational(), eve.activatedBody())).toMatchObject({ type: "confirmed" });
    session.stream.destroy();
    const topics: string[] = [];
    for (let message = await session.nextMessage(); message !== undefined; message = await session.nextMessage()) {
      topics.push(message.topic);
    }
    expect(topics.filter((topic) => topic.includes("/device/") && !topic.includes(`/device/${eve.id}/`))).toEqual([]);
  });
});

describe("what a device may write", () => {
  it("is its own up topics: anything else ends the session and changes nothing", async () => {
    for (const device of devices) {
      const left = await controller.unchangedBy(async () => {
        for (const topic of strangeTopics(device.id)) {
          const session = await device.operational();
          session.send(publishPacket({ topic, payload: "x", packetId: 3 }));
          await session.closed;
        }
      });
      expect(left).toEqual([]);
    }
    for (const device of devices) {
      expect(await device.ask(device.activatedBody())).toMatchObject({ type: "confirmed" });
    }
  });

  it("is never retained, has no QoS 2, and leaves no will", async () => {
    const [device] = devices as [AttackerDevice];
    const own = formatTopic({ type: "up", device: device.id, kind: "event" });
    const packets = [
      publishPacket({ topic: own, payload: "x", packetId: 3, retain: true }),
      publishPacket({ topic: own, payload: "", packetId: 3, retain: true }),
      publishPacket({ topic: formatTopic({ type: "trust" }), payload: "", retain: true }),
      publishPacket({ topic: own, payload: "x", packetId: 3, qos: 2 }),
    ];
    const left = await controller.unchangedBy(async () => {
      for (const packet of packets) {
        const session = await device.operational();
        session.send(packet);
        await session.closed;
      }
      for (const topic of [own, formatTopic({ type: "trust" }), "fleetcert/1/device/edge-2/down/issued"]) {
        const client = await dialTls(controller.endpoints.operational, device.tls);
        client.send(connectPacket({ clientId: device.id, will: { topic, message: "gone" } }));
        expect((await client.next())?.body[1]).toBe(5);
        await client.closed;
      }
    });
    expect(left).toEqual([]);
    const session = await device.operational();
    session.send(
      unsubscribePacket(4, formatTopic({ type: "trust" })),
      subscribePacket(5, formatTopic({ type: "trust" })),
    );
    const trust = await nextOn(session, formatTopic({ type: "trust" }));
    expect(trust.length).toBeGreaterThan(100);
    session.stream.destroy();
  });

  it("is on bootstrap one's own requests, and nothing of the operational namespace", async () => {
    const thief = new AttackerDevice(controller, "thief-1");
    const claim = await controller.claim({ maxUses: 5 });
    const other = `boot-${"a".repeat(40)}`;
    const session = await thief.bootstrap(claim);
    for (const filter of [
      "#",
      "fleetcert/1/bootstrap/#",
      `fleetcert/1/bootstrap/${other}/down/#`,
      "fleetcert/1/fleet/#",
    ]) {
      session.send(subscribePacket(9, filter));
      const suback = await session.nextOf(0x90);
      expect([filter, suback?.body[2] ?? 0x80]).toEqual([filter, 0x80]);
      if (suback === undefined) break;
    }
    session.stream.destroy();
    const left = await controller.unchangedBy(async () => {
      const kinds = upKinds.filter((kind) => !["enrol", "attest", "renew", "time"].includes(kind));
      const own = bootstrapClientId(sha256Hex(thief.key.spki));
      for (const topic of [
        ...kinds.map((kind) => `fleetcert/1/bootstrap/${own}/up/${kind}`),
        `fleetcert/1/bootstrap/${other}/up/enrol`,
        "fleetcert/1/device/edge-1/up/report",
        "fleetcert/1/fleet/trust",
      ]) {
        const one = await thief.bootstrap(claim);
        one.send(publishPacket({ topic, payload: "x", packetId: 3 }));
        await one.closed;
      }
    });
    expect(left).toEqual([]);
    expect(await thief.enrol(claim)).toMatchObject({ type: "issued" });
  });
});

/** What becomes of a subscription; a session that ends over it is opened again for the next. */
async function subscribed(
  device: AttackerDevice,
  session: AttackerClient,
  filter: string,
): Promise<"granted" | "refused"> {
  const own = session.isClosed ? await device.operational() : session;
  own.send(subscribePacket(8, filter));
  const suback = await own.nextOf(0x90);
  if (own !== session) own.stream.destroy();
  return suback === undefined || suback.body[2] === 0x80 ? "refused" : "granted";
}

async function nextOn(session: AttackerClient, wanted: string): Promise<Buffer> {
  for (;;) {
    const message = await session.nextMessage();
    if (message === undefined) throw new Error("the session ended");
    if (message.topic === wanted) return message.payload;
  }
}
