import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeCsr, parseCertificate, parseCrl, pemEncode, validatePath } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { eventually } from "../../support/eventually.ts";
import { testSigner } from "../../support/keys/test-signer.ts";
import { commandsOf, execute } from "../../support/programs/runbook.ts";

describe("the runbook for a stolen issuing key", () => {
  let controller: RealController;
  let fleet: RealAgents;
  let agents: RealAgent[];
  let away: RealAgent;
  let folder: string;
  let stolen: string;
  const names: Record<string, string> = {};
  const durations: Record<string, number> = {};

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fleetcert-drill-"));
    [controller, fleet] = await Promise.all([
      realController({ settings: { renewalWindow: "1s", graceAfterProof: "200ms" } }),
      RealAgents.open(),
    ]);
    const claim = await controller.claim({ maxUses: 3 });
    agents = await Promise.all(
      ["press-1", "press-2", "press-3"].map((id) => fleet.start(id, controller.endpoints, claim)),
    );
    await eventually(() => {
      for (const agent of agents) expect(generationOf(agent)).toBe(1);
    });
    away = agents.pop() as RealAgent;
    await eventually(() => expect(away.status().slots[0]?.journal).toBe("idle"));
    await away.stop();
    stolen = controller.running.issuerId;
    const csr = await encodeCsr({ signer: testSigner("P-256"), commonName: "bob" });
    const { operators } = controller.running.operations;
    await operators.create(administrator, { name: "bob", role: "approver", csr });
    const { text } = await operators.createKey(administrator, { operator: "bob", validFor: 3_600_000 });
    Object.assign(names, {
      DATA: controller.data,
      ISSUER: stolen,
      URL: `https://127.0.0.1:${controller.endpoints.api.port}`,
      ROOT: join(folder, "root.pem"),
      SECOND: join(folder, "bob.key"),
    });
    await writeFile(names["ROOT"] ?? "", pemEncode("CERTIFICATE", controller.running.root));
    await writeFile(names["SECOND"] ?? "", text, { mode: 0o600 });
  }, 60_000);
  afterAll(async () => {
    await fleet?.close();
    await controller?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("is executed to its end: another CA, re-issue, two persons, distrust", async () => {
    const [start = "", status = "", ask = "", approve = "", distrust = "", verify = ""] =
      await commandsOf("stolen-issuing-key");
    const startedAt = performance.now();
    expect(await execute(ask, names)).toMatchObject({ code: 6, stderr: expect.stringContaining("still issues") });
    expect(await execute(start, names)).toMatchObject({ code: 0 });
    await vi.waitFor(
      () => {
        for (const agent of agents) expect(generationOf(agent)).toBe(2);
      },
      { timeout: 90_000, interval: 250 },
    );
    durations["re-issued"] = performance.now() - startedAt;
    expect(await execute(status, names)).toMatchObject({ code: 0 });

    const refused = await execute(ask, names);
    expect(refused).toMatchObject({ code: 9, stderr: expect.stringContaining("second-person-required") });
    expect((await controller.running.operations.trust.show(administrator)).issuers).toHaveLength(2);
    names["PLAN"] = /plan ([0-9a-f]{64}) waits/.exec(refused.stderr)?.[1] ?? "";
    expect(await execute(approve, names)).toMatchObject({ code: 0, json: { plan: { state: "granted" } } });
    expect(await execute(distrust, names)).toMatchObject({ code: 0, json: { distrusted: stolen } });
    durations["distrusted"] = performance.now() - startedAt;
    expect(await execute(verify, names)).toMatchObject({ code: 0 });
  }, 180_000);

  it("leaves the stolen CA nobody who believes it", async () => {
    const { running } = controller;
    const bundle = running.duties.trust.current();
    expect(bundle.issuers.map((der) => parseCertificate(der))).toHaveLength(1);
    const old = running.duties.issuers.require(stolen).certificate;
    const list = parseCrl(bundle.rootLists[0] ?? new Uint8Array());
    expect(list.find(parseCertificate(old).serial)?.reason).toBe("cACompromise");
    // Whoever checks the chain against the root's list refuses a certificate of it, whatever its own serial.
    const { items } = await running.operations.certificates.list(administrator, {});
    const ended = items.filter(({ issuer }) => issuer === stolen);
    expect(new Set(ended.map(({ state }) => state))).toEqual(new Set(["revoked"]));
    const victim = await running.duties.store.transaction((tx) => tx.certificates.find(ended[0]?.sha256 ?? ""));
    const judge = () =>
      validatePath({
        leaf: victim?.der ?? new Uint8Array(),
        intermediates: [old],
        roots: [running.root],
        at: Date.now(),
        purpose: "clientAuth",
        crls: { lists: [list], requireFor: "chain" },
      });
    expect(judge).toThrow();
    // Agents that took the bundle say so, and their own answers about the issuer end.
    await eventually(() => {
      for (const agent of agents) {
        const answer = agent.revocation.isRevoked(stolen, parseCertificate(victim?.der ?? new Uint8Array()).serial);
        expect(answer.status).not.toBe("good");
      }
    });
  }, 60_000);

  it("keeps everybody working who was re-issued, and locks out who was not until a person brings it back", async () => {
    await eventually(async () => {
      const { items } = await controller.running.operations.devices.list(administrator, {});
      const online = items.filter(({ connected }) => connected).map(({ id }) => id);
      expect(online).toEqual(["press-1", "press-2"]);
    });
    await controller.running.operations.rotations.request(administrator, { devices: ["press-1"] });
    await eventually(() => expect(generationOf(agents[0] as RealAgent)).toBe(3));
    const late = await away.restarted();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(late.status().connection?.state).not.toBe("connected");
    process.stderr.write(
      `    ${Object.entries(durations)
        .map(([what, took]) => `${what} after ${(took / 1000).toFixed(1)} s`)
        .join(", ")}\n`,
    );
  }, 90_000);
});

const generationOf = (agent: RealAgent): number | undefined => agent.status().slots[0]?.certificate?.generation;
