import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseCertificate, pemDecode } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { eventually } from "../../support/eventually.ts";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

const slotOf = (agent: RealAgent) => agent.status().slots[0];

describeWith([softHsmPart, tlsAddonPart], "a device whose certificate ended while it was off", () => {
  const hsm = startSoftHsm();
  const pins = mkdtempSync(join(tmpdir(), "fleetcert-pins-"));
  let controller: RealController;
  let fleet: RealAgents;

  beforeAll(async () => {
    controller = await realController({
      settings: { renewAfterExpiry: "1h", graceAfterProof: "0s" },
      profiles: "profiles:\n  device:\n    validity: 12s\n    backdate: 0s\n    protections: [token]\n",
    });
    fleet = await RealAgents.open({
      keysOf: (id) => {
        const pinFile = join(pins, id);
        if (!existsSync(pinFile)) writeFileSync(pinFile, `${hsm.createToken(id).pin.reveal()}\n`, { mode: 0o600 });
        return { provider: "pkcs11", module: hsm.modulePath, token: id, pinFile };
      },
    });
  });
  afterAll(async () => {
    await fleet.close();
    await controller.close();
    rmSync(pins, { recursive: true });
  });

  async function enrolled(id: string): Promise<RealAgent> {
    const agent = await fleet.start(id, controller.endpoints, await controller.claim());
    await eventually(() => expect(slotOf(agent)).toMatchObject({ journal: "idle", certificate: { generation: 1 } }));
    return agent;
  }

  const untilEnded = async (agent: RealAgent): Promise<void> => {
    await agent.stop();
    await sleep(Math.max(0, (slotOf(agent)?.certificate?.notAfter ?? 0) - Date.now()) + 1_200);
  };

  const certificatesOf = async (id: string) =>
    (await controller.running.operations.devices.show(administrator, id)).certificates;

  it("asks for the time with it, renews by the key in its token, and proves the new one", async () => {
    const agent = await enrolled("late-1");
    const old = slotOf(agent)?.certificate;
    await untilEnded(agent);
    const again = await agent.restarted();
    await eventually(() => expect(slotOf(again)?.certificate?.generation).toBeGreaterThan(1));
    await eventually(() => expect(again.status().connection?.state).toBe("connected"));
    expect(again.status().turnedAway).toBeUndefined();
    expect(again.status().time.status).toBe("anchored");
    const [first, ...renewed] = [...(await certificatesOf("late-1"))].reverse();
    expect(first).toMatchObject({ generation: 1, sha256: old?.sha256 });
    expect(renewed[0]?.issuedAt).toBeGreaterThan(first?.notAfter ?? Number.POSITIVE_INFINITY);
    expect(renewed[0]).toMatchObject({ generation: 2, protection: "token", provenAt: expect.any(Number) });
    const bootstrap = (await auditOf("late-1")).filter(({ action }) => action === "message.refused");
    expect(bootstrap).toEqual([]);
    const pem = (await controller.running.operations.certificates.show(administrator, renewed[0]?.sha256 ?? "")).pem;
    const [der = new Uint8Array()] = pemDecode(pem, "CERTIFICATE");
    expect(parseCertificate(der).subject.commonName).toBe("late-1");
    await again.stop();
  }, 90_000);

  it("beyond the time allowed is told so with a hint, keeps its key, and goes on by itself when the time is longer", async () => {
    const agent = await enrolled("late-2");
    await agent.stop();
    const settings = join(controller.data, "config.yaml");
    const setRenewal = (text: string) => async () => {
      const before = await readFile(settings, "utf8");
      await writeFile(settings, before.replace(/renewAfterExpiry: \S+/, `renewAfterExpiry: ${text}`));
    };
    await controller.restart(setRenewal("1s"));
    await untilEnded(agent);
    await sleep(1_500);
    const again = await agent.restarted();
    await eventually(() =>
      expect(again.status().turnedAway).toMatchObject({
        code: "credential-expired",
        hint: expect.stringMatching(/bundle export.*fleetcert device reenrol late-2/),
      }),
    );
    expect(slotOf(again)?.certificate?.generation).toBe(1);
    expect((await certificatesOf("late-2")).map(({ generation }) => generation)).toEqual([1]);
    await controller.restart(setRenewal("1h"));
    await eventually(() => expect(slotOf(again)?.certificate?.generation).toBeGreaterThan(1));
    await eventually(() => expect(again.status().connection?.state).toBe("connected"));
    await again.stop();
  }, 90_000);

  it("gets nothing when it was suspended meanwhile: expiry is judged, and so is the inventory", async () => {
    const agent = await enrolled("late-3");
    await controller.running.operations.devices.suspend(administrator, "late-3", "stolen");
    await untilEnded(agent);
    const again = await agent.restarted();
    await eventually(() => expect(again.status().turnedAway).toMatchObject({ code: "device-suspended" }));
    expect((await certificatesOf("late-3")).map(({ generation }) => generation)).toEqual([1]);
    await controller.running.operations.devices.reinstate(administrator, "late-3");
    await eventually(() => expect(slotOf(again)?.certificate?.generation).toBeGreaterThan(1));
    await again.stop();
  }, 90_000);

  async function auditOf(id: string) {
    const entries = await controller.running.operations.audit.list(administrator, { limit: 1000 });
    return entries.filter(({ target }) => target === id);
  }
});
