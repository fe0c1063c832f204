import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openTpmAttestor } from "@fleetcert/hw";
import { requireEndorsementKey } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { eventually } from "../../support/eventually.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

const slotOf = (agent: RealAgent) => agent.status().slots[0];

describeWith([swtpmPart], "agents with TPMs and their controller", () => {
  const tpms = new Map<string, Swtpm>();
  let controller: RealController;
  let fleet: RealAgents;

  beforeAll(async () => {
    const made = await startSwtpm({ manufactured: true });
    tpms.set("press-1", made);
    tpms.set("press-2", await startSwtpm({ manufactured: true }));
    const [root = "", issuer = ""] = made.manufacturerCas;
    const files = { root: join(made.directory, "root.pem"), issuer: join(made.directory, "issuer.pem") };
    await writeFile(files.root, root);
    await writeFile(files.issuer, issuer);
    controller = await realController({
      settings: {
        graceAfterProof: "200ms",
        renewalWindow: "1s",
        attestation: { manufacturerRoots: [files.root], manufacturerCas: [files.issuer] },
      },
    });
    fleet = await RealAgents.open({ keysOf: (id) => ({ provider: "tpm", tpm: tpms.get(id)?.address ?? "" }) });
  });
  afterAll(async () => {
    await fleet.close();
    await controller.close();
    for (const tpm of tpms.values()) await tpm.stop();
  });

  const show = (id: string) => controller.running.operations.devices.show(administrator, id);

  it("enrol by what only their TPM can read, and every later key is certified by it", async () => {
    const agent = await fleet.start("press-1", controller.endpoints, await controller.claim());
    await eventually(() => expect(slotOf(agent)).toMatchObject({ journal: "idle", certificate: { generation: 1 } }));
    expect(await show("press-1")).toMatchObject({
      certificate: { protection: "attested", generation: 1 },
      attestation: { ground: "manufacturer", model: "swtpm", firmware: "id:20191023" },
    });
    expect(agent.status().protection).toBe("attested");
    const again = await agent.restarted();
    await eventually(async () => expect((await show("press-1")).connected).toBe(true));
    expect(again.status().protection).toBe("attested");
    again.renew();
    await eventually(() => expect(slotOf(again)).toMatchObject({ journal: "idle", certificate: { generation: 2 } }));
    const { certificates } = await show("press-1");
    expect(certificates.map(({ generation, protection }) => [generation, protection])).toEqual([
      [2, "attested"],
      [1, "attested"],
    ]);
  });

  it("tell the PCRs of their TPM when they are asked, also those that were away", async () => {
    const ask = (pcrs: string) => controller.running.operations.devices.quote(administrator, "press-1", pcrs);
    expect(await ask("sha256:0,16")).toMatchObject({ outcome: "waiting" });
    await eventually(async () => expect((await show("press-1")).quote).toMatchObject({ outcome: "verified" }));
    const { quote: answered } = await show("press-1");
    expect(Object.keys(answered?.values ?? {})).toEqual(["sha256:0", "sha256:16"]);
    await controller.restart(async () => undefined);
    expect(await ask("sha256:7")).toMatchObject({ outcome: "waiting" });
    await eventually(async () =>
      expect((await show("press-1")).quote).toMatchObject({ outcome: "verified", pcrs: "sha256:7" }),
    );
  });

  it("do not come in with a TPM of another maker, and are told why", async () => {
    const agent = await fleet.start("press-2", controller.endpoints, await controller.claim());
    await eventually(() => expect(slotOf(agent)).toMatchObject({ certificate: undefined, lastError: "path-invalid" }));
    await agent.stop();
    const { items } = await controller.running.operations.devices.list(administrator, {});
    expect(items.map(({ id }) => id)).not.toContain("press-2");
  });

  it("that enrolled before anybody asked prove their TPM with the next renewal", async () => {
    const bare = await startSwtpm();
    tpms.set("press-3", bare);
    const silent = await realController({ settings: { graceAfterProof: "200ms", renewalWindow: "1s" } });
    const look = () => silent.running.operations.devices.show(administrator, "press-3");
    try {
      const agent = await fleet.start("press-3", silent.endpoints, await silent.claim());
      await eventually(() => expect(slotOf(agent)).toMatchObject({ journal: "idle", certificate: { generation: 1 } }));
      expect(await look()).toMatchObject({ certificate: { protection: "token" }, attestation: undefined });
      expect(agent.status().protection).toBe("token");
      await silent.restart(async () => {
        const { sha256 } = await readEndorsementKey(bare);
        const config = join(silent.data, "config.yaml");
        await appendFile(config, `\nattestation: { endorsementKeys: [ ${sha256} ] }\n`);
      });
      await eventually(async () => expect((await look()).connected).toBe(true));
      agent.renew();
      await eventually(() => expect(slotOf(agent)).toMatchObject({ journal: "idle", certificate: { generation: 2 } }));
      expect(await look()).toMatchObject({
        certificate: { protection: "attested", generation: 2 },
        attestation: { ground: "allow-list" },
      });
      expect(agent.status().protection).toBe("attested");
      agent.renew();
      await eventually(() => expect(slotOf(agent)).toMatchObject({ journal: "idle", certificate: { generation: 3 } }));
      expect(await look()).toMatchObject({ certificate: { protection: "attested", generation: 3 } });
      await agent.stop();
    } finally {
      await silent.close();
    }
  });
});

/** What `fleetcert-agent tpm ek` reads, through the connection the running agent has. */
async function readEndorsementKey({ address, directory }: Swtpm): Promise<{ sha256: string }> {
  const attestor = await openTpmAttestor({ tpm: address, directory });
  const { endorsementKey } = await attestor.identify();
  await attestor.close();
  return { sha256: requireEndorsementKey(endorsementKey).hash };
}
