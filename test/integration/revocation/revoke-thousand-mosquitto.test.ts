import { generateKeyPairSync, sign } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeCsr, parseCertificate, parseCsr, pemEncode, type Signer } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type MqttSession, openMqttSession } from "../../../controller/src/adapters/mosquitto/mqtt-session.ts";
import { unknownAttributes } from "../../../controller/src/inventory/inventory.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { mosquittoPart } from "../../support/programs/mosquitto.ts";
import { type OnlyMosquitto, onlyMosquitto } from "../../support/programs/only-mosquitto.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

const count = 1000;

describeWith([mosquittoPart], "a thousand devices with live sessions on a Mosquitto", () => {
  let mosquitto: OnlyMosquitto;
  let controller: RealController;
  const identities = new Map<string, { readonly cert: string; readonly key: string }>();
  const sessions = new Map<string, MqttSession>();

  beforeAll(async () => {
    mosquitto = await onlyMosquitto();
    const prepare = async (data: string) => {
      await mosquitto.prepare(data);
      await mosquitto.start();
    };
    const settings = { ...mosquitto.settings, bounds: { revokeAlone: 10_000 } };
    controller = await realController({ prepare, settings });
    await atOnce(16, [survivor, ...Array.from({ length: count }, (_, index) => idOf(index))], enrol);
    await atOnce(16, [...identities.keys()], async (id) => {
      sessions.set(id, (await connect(id)) as MqttSession);
    });
  }, 300_000);
  afterAll(async () => {
    for (const session of sessions.values()) session?.end();
    await controller?.close();
    await mosquitto?.stop();
  });

  it("are all out, and none comes back, when they are revoked in one plan; the one that is not stays in", async () => {
    expect([...sessions.values()].filter((session) => session === undefined || session.hasEnded()).length).toBe(0);
    const startedAt = performance.now();
    const cpuBefore = process.cpuUsage();
    const { epoch } = await controller.running.operations.revocations.revoke(administrator, {
      ...{ filter: "tag=lot:bad", reason: "keyCompromise" },
    });
    const took = Math.round(performance.now() - startedAt);
    const { user, system } = process.cpuUsage(cpuBefore);
    const cpu = Math.round((user + system) / 1000);
    process.stderr.write(`    ${count} revoked, refused and out after ${took} ms, ${cpu} ms of it on our processor\n`);
    await sleep(100);
    const left = [...sessions].filter(([, session]) => !session.hasEnded()).map(([id]) => id);
    expect(left).toEqual([survivor]);
    expect(await sessions.get(survivor)?.isAlive()).toBe(true);
    for (const id of [idOf(0), idOf(500), idOf(count - 1)]) expect(await connect(id)).toBeUndefined();
    const lists = await controller.running.operations.crls.list(administrator);
    expect(lists.filter((list) => list.epoch === epoch && list.entryCount >= count)).toHaveLength(1);
    // The clock on the wall counts what other programs of this machine do too. A thousand TLS sessions end in this process as well.
    expect(cpu).toBeLessThan(3000);
  }, 120_000);

  /** What a thousand enrolments leave, without the messages between. */
  async function enrol(device: string): Promise<void> {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const signer: Signer = {
      algorithm: "P-256",
      spki: Uint8Array.from(pair.publicKey.export({ type: "spki", format: "der" })),
      sign: async (message) => Uint8Array.from(sign("sha256", message, pair.privateKey)),
    };
    const csr = parseCsr(await encodeCsr({ commonName: device, signer }));
    const { duties } = controller.running;
    const { der } = await duties.issuance.toDevice({
      ...{ actor: `device:${device}`, device, slot: "identity", generation: 1, csr, profile: "device" },
      ...{ protection: "software", tokenSerial: "", claimId: "" },
      judge: async () => undefined,
      async commit(tx) {
        const tags = device === survivor ? [] : ["lot:bad"];
        await tx.devices.put({
          ...{ id: device, state: "active", stateReason: "", agentVersion: "", clockOffset: 0, claimId: "" },
          ...{
            attributes: { ...unknownAttributes, tags },
            createdAt: Date.now(),
            lastSeenAt: undefined,
            desiredVersion: 0,
          },
        });
      },
    });
    const chain = [der, duties.authority.certificate].map((one) => pemEncode("CERTIFICATE", one)).join("");
    expect(parseCertificate(der).subject.commonName).toBe(device);
    identities.set(device, { cert: chain, key: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString() });
  }

  async function connect(id: string): Promise<MqttSession | undefined> {
    const { port } = mosquitto;
    return await openMqttSession(
      { type: "tls", host: "127.0.0.1", port, ca: undefined, identity: identities.get(id) },
      id,
    );
  }
});

async function atOnce(most: number, ids: readonly string[], act: (id: string) => Promise<void>): Promise<void> {
  const left = ids.values();
  const work = async () => {
    for (const id of left) await act(id);
  };
  await Promise.all(Array.from({ length: most }, work));
}

const survivor = "press-good";
const idOf = (index: number): string => `press-${String(index).padStart(4, "0")}`;
