import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCertificate, parseClaimString, pemEncode, sha256Hex, spkiSha256 } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { OfflineDevice } from "../../support/devices/offline-device.ts";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { opensslVerify } from "../../support/programs/openssl.ts";
import { describeWith } from "../../support/programs/optional-part.ts";
import { execute } from "../../support/programs/runbook.ts";

interface Status {
  readonly rollover: {
    readonly state: string;
    readonly to: string;
    readonly fromRoot: string;
    readonly toRoot: string;
  };
}

describeWith([softHsmPart], "another root for a fleet that works, its key in a token", () => {
  let controller: RealController;
  let fleet: RealAgents;
  let here: RealAgent[];
  let away: RealAgent;
  let remote: OfflineDevice;
  let folder: string;
  let claimOfBefore: string;
  let alice: string;
  let begun: Status["rollover"];

  /** A command on the controller's host; its answer. */
  const fleetcert = async <T>(command: string): Promise<T> => {
    const done = await execute(`fleetcert --data ${controller.data} ${command} --json`, {});
    expect(done, done.stderr).toMatchObject({ code: 0 });
    return done.json as T;
  };
  const status = () => fleetcert<Status>("ca rollover status");
  const trust = () => controller.running.operations.trust.show(administrator);
  /** The issuing CA of its newest certificate that is proven in use. */
  const issuerOf = async ({ id }: RealAgent): Promise<string | undefined> => {
    const { certificates } = await controller.running.operations.devices.show(administrator, id);
    return certificates.find(({ state }) => state === "proven")?.issuer;
  };
  const isConnected = (agent: RealAgent) => agent.status().connection?.state === "connected";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fleetcert-root-"));
    [controller, fleet] = await Promise.all([
      realController({ settings: { renewalWindow: "1s", graceAfterProof: "200ms" } }),
      RealAgents.open(),
    ]);
    claimOfBefore = await controller.claim({ maxUses: 6 });
    const start = (id: string) => fleet.start(id, controller.endpoints, claimOfBefore);
    here = await Promise.all(["press-1", "press-2"].map(start));
    away = await start("press-3");
    await eventually(() => {
      for (const { status } of [...here, away]) expect(status().slots[0]?.journal).toBe("idle");
    });
    await away.stop();
    remote = await OfflineDevice.enrol(folder, "remote-1", controller);
    const { devices } = controller.running.operations;
    await devices.set(administrator, "press-3", { connectivity: "rare" });
    await devices.set(administrator, "remote-1", { connectivity: "courier" });
    await writeFile(join(folder, "old-root.pem"), pemEncode("CERTIFICATE", controller.running.root));
    await fleetcert(`operator create alice --role viewer --out ${folder}`);
    const url = `https://127.0.0.1:${controller.endpoints.api.port}`;
    alice = `fleetcert --url ${url} --cert ${folder}/alice.cert.pem --key ${folder}/alice.key.pem --root ${folder}/old-root.pem`;
  }, 60_000);
  afterAll(async () => {
    await fleet?.close();
    await controller?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("waits for the devices' word, moves them and itself under the new root, and retires the old one last", async () => {
    const hsm = startSoftHsm();
    const token = hsm.createToken("new root");
    const pinFile = join(folder, "pin");
    await writeFile(pinFile, `${token.pin.reveal()}\n`, { mode: 0o600 });
    const place = `pkcs11:token=${encodeURIComponent(token.tokenLabel)}?module-path=${hsm.modulePath}&pin-source=file:${pinFile}`;
    const started = await fleetcert<
      Status & { readonly newRootKey: { readonly place: string; readonly directory: string } }
    >(`ca rollover start --new-root --root-key ${place} --rare 0 --soak 1s`);
    expect(started.newRootKey).toMatchObject({ place, directory: "" });
    begun = started.rollover;
    expect([begun.fromRoot, (await trust()).roots.map(({ sha256 }) => sha256)]).toEqual([
      sha256Hex(controller.running.root),
      [begun.fromRoot, begun.toRoot],
    ]);
    await eventually(async () => {
      for (const agent of here) expect(await issuerOf(agent)).toBe(begun.to);
    });
    await eventually(async () => expect((await status()).rollover.state).toBe("retiring"));
    // From here on the old root's key is not needed by anything.
    await rm(join(controller.data, "root-key"), { recursive: true });
    await rm(join(controller.data, "secrets", "root-passphrase"));
    await fleetcert("ca rollover finish");
    const { roots, issuers } = await trust();
    expect([roots.map(({ sha256 }) => sha256), issuers.map(({ id }) => id)]).toEqual([[begun.toRoot], [begun.to]]);
    const version = controller.running.duties.trust.current().version;
    await eventually(() => {
      for (const agent of here) expect(agent.status().trust?.version).toBe(version);
    });
    expect(here.every(isConnected)).toBe(true);
    expect(await refusals()).toEqual([]);
  }, 120_000);

  it("lets everybody in again after its restart: those who moved, and one who was away for all of it", async () => {
    await controller.restart();
    await eventually(() => {
      for (const agent of here) expect(isConnected(agent)).toBe(true);
    });
    const back = await away.restarted();
    await eventually(async () => expect(await issuerOf(back)).toBe(begun.to));
    await eventually(() => expect(back.status().slots[0]).toMatchObject({ journal: "idle" }));
    expect(back.status().trust?.version).toBe(controller.running.duties.trust.current().version);
    expect(await refusals()).toEqual([]);
  }, 60_000);

  it("takes a claim of before and one of now, each by the root it pins", async () => {
    const claimOfNow = await controller.claim();
    const pins = [claimOfBefore, claimOfNow].map((text) => parseClaimString(text).rootSha256);
    expect(pins).toEqual([begun.fromRoot, begun.toRoot]);
    const late = [
      await fleet.start("press-4", controller.endpoints, claimOfBefore),
      await fleet.start("press-5", controller.endpoints, claimOfNow),
    ];
    await eventually(async () => {
      for (const agent of late) expect([await issuerOf(agent), isConnected(agent)]).toEqual([begun.to, true]);
    });
  }, 60_000);

  it("leads a device without network over by courier", async () => {
    const technician = { name: "operator:alice", role: "field" } as const;
    const { courier } = controller.running.operations;
    const { reply } = await courier.exchange(technician, await remote.export(true));
    const { trustVersion, problems } = await remote.import(reply);
    expect([trustVersion, problems]).toEqual([controller.running.duties.trust.current().version, []]);
    await courier.exchange(technician, await remote.export(false));
    const { certificates } = await controller.running.operations.devices.show(administrator, "remote-1");
    expect(certificates[0]).toMatchObject({ issuer: begun.to, state: "proven" });
  }, 60_000);

  it("is known to a person who has the old root and a certificate of before, and by the new root", async () => {
    expect(await execute(`${alice} device list --json`, {})).toMatchObject({ code: 0 });
    const roots = join(controller.data, "ca", "roots.pem");
    expect(await execute(`${alice.replace(`${folder}/old-root.pem`, roots)} device list --json`, {})).toMatchObject({
      code: 0,
    });
    const root = parseCertificate(controller.running.duties.trust.current().roots[0] ?? new Uint8Array());
    expect(await readFile(roots, "utf8")).toBe(pemEncode("CERTIFICATE", root.der));
  }, 60_000);

  it("serves the lists of both roots, and OpenSSL verifies a device's chain with them", async () => {
    const listOf = async (root: Uint8Array) => {
      const id = spkiSha256(parseCertificate(root).spki);
      const answer = await fetch(`http://127.0.0.1:${controller.endpoints.http.port}/crl/${id}.crl`);
      expect(answer.status).toBe(200);
      return new Uint8Array(await answer.arrayBuffer());
    };
    const [old = new Uint8Array(), now = new Uint8Array()] = controller.running.duties.trust.roots();
    await listOf(old);
    const [issuing = new Uint8Array()] = controller.running.duties.trust.current().issuers;
    const { items } = await controller.running.operations.certificates.list(administrator, {
      filter: `device=press-1`,
    });
    const newest = items.find(({ issuer, state }) => issuer === begun.to && state === "proven");
    const { store } = controller.running.duties;
    const leaf = (await store.transaction((tx) => tx.certificates.find(newest?.sha256 ?? "")))?.der ?? new Uint8Array();
    const [point = ""] = parseCertificate(leaf).crlDistributionPoints;
    const list = new Uint8Array(await (await fetch(point)).arrayBuffer());
    const question = { leaf, intermediates: [issuing], roots: [now], at: Date.now(), purpose: "clientAuth" } as const;
    expect(opensslVerify({ ...question, crls: [list, await listOf(now)] })).toMatchObject({ isAccepted: true });
  }, 30_000);

  it("renews trust with the key in the token alone", async () => {
    await expect(stat(join(controller.data, "root-key"))).rejects.toMatchObject({ code: "ENOENT" });
    const { version } = controller.running.duties.trust.current();
    expect(await fleetcert("trust renew")).toMatchObject({ version: version + 1 });
  }, 30_000);

  async function refusals(): Promise<unknown[]> {
    const entries = await controller.running.operations.audit.list(administrator, { limit: 1000 });
    return entries.filter(({ action }) => action === "session.refused");
  }
});

const eventually = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 30_000, interval: 100 });
