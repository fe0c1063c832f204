import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ConfigChanges } from "@fleetcert/agent";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { eventually } from "../../support/eventually.ts";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { type AgentToken, makeAgentToken } from "../../support/keys/tokens-of-agent.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

describeWith([softHsmPart, swtpmPart, tlsAddonPart], "a device whose keys move from file to token to TPM", () => {
  let controller: RealController;
  let fleet: RealAgents;
  let agent: RealAgent;
  let token: AgentToken;
  let tpm: Swtpm;
  let keys: Readonly<Record<string, string>> = {};

  beforeAll(async () => {
    controller = await realController({ settings: { graceAfterProof: "200ms" }, profiles });
    const slots = [{ name: "local", outputs: [{ kind: "chain", file: "chain.pem" }] }];
    fleet = await RealAgents.open({ keysOf: () => keys, settingsOf: (): ConfigChanges => ({ slots }) });
    token = await makeAgentToken(startSoftHsm(), "edge-move", fleet.directory);
    tpm = await startSwtpm();
    agent = await fleet.start("edge-move", controller.endpoints, await controller.claim());
  });
  afterAll(async () => {
    await fleet?.close();
    await controller?.close();
    await tpm?.stop();
  });

  const slot = (name: string) => agent.status().slots.find((one) => one.slot === name);
  const isAt = (generation: number, keyStore: string) =>
    eventually(() => {
      const seen = ["identity", "local"].map((name) => [
        slot(name)?.journal,
        slot(name)?.certificate?.generation,
        `${slot(name)?.lastError} ${slot(name)?.lastReason}`,
        slot(name)?.certificate?.key.split(":")[0],
      ]);
      expect(seen).toEqual([0, 1].map(() => ["idle", generation, " ", keyStore]));
      expect(agent.status().connection).toMatchObject({ state: "connected" });
    });
  const softwareKeys = async () => await readdir(join(fleet.directory, "edge-move", "keys"));
  const provenNow = async () => {
    const { certificates } = await controller.running.operations.devices.show(administrator, "edge-move");
    const proven = certificates.filter(({ state }) => state === "proven");
    return proven.map(({ slot, generation, protection }) => [slot, generation, protection]).toSorted();
  };

  it("begins in files", async () => {
    await isAt(1, "software");
    expect(await softwareKeys()).toHaveLength(2);
  });

  it("keeps its old keys and its session while the new key store does not work, and says why", async () => {
    keys = { ...token.keys.settings, token: "no-such-token" };
    agent = await agent.restarted();
    await eventually(() => {
      for (const name of ["identity", "local"]) {
        expect(slot(name)).toMatchObject({
          certificate: { generation: 1 },
          lastError: expect.stringMatching(/^key-store-/),
        });
      }
      expect(agent.status().connection).toMatchObject({ state: "connected" });
    });
    expect(await softwareKeys()).toHaveLength(2);
  });

  it("moves every slot into the token, and destroys the old keys only after the proof", async () => {
    keys = token.keys.settings;
    agent = await agent.restarted();
    await isAt(2, "pkcs11");
    await eventually(async () => expect(await softwareKeys()).toEqual([]));
    await eventually(async () =>
      expect(await provenNow()).toEqual([
        ["identity", 2, "token"],
        ["local", 2, "token"],
      ]),
    );
    expect(await token.list()).toHaveLength(2);
  });

  it("moves on into a TPM, and leaves nothing in the token", async () => {
    keys = { provider: "tpm", tpm: tpm.address };
    agent = await agent.restarted();
    await isAt(3, "tpm2");
    await eventually(async () => expect(await token.list()).toEqual([]));
    agent = await agent.restarted();
    await isAt(3, "tpm2");
  });

  it("comes back to files by the same way", async () => {
    keys = {};
    agent = await agent.restarted();
    await isAt(4, "software");
    expect(await softwareKeys()).toHaveLength(2);
    await eventually(async () => expect(await readdir(join(fleet.directory, "edge-move", "tpm-keys"))).toEqual([]));
  });
});

const profiles = `profiles:
  device:
    slots: { local: local }
  local:
    extendedKeyUsage: [clientAuth]
`;
