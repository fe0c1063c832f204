import { once } from "node:events";
import { chmod, cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { connectController, initController, startController } from "@fleetcert/controller";
import { parseCertificate } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renewTrust } from "../../controller/src/cli/renew-trust.ts";
import { SocketDevice } from "../support/devices/socket-device.ts";
import { keepListsBelow } from "../support/revocation/made-lists.ts";
import { serve } from "../support/scenarios/scenario-controller.ts";

const actor = { name: "local", role: "admin" } as const;
const free = { host: "127.0.0.1", port: 0 };
const settings = { listeners: { operational: free, bootstrap: free, http: free, api: free } };
let parent: string;
let base: string;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "fleetcert-serve-"));
  base = join(parent, "base");
  await initController({ data: base, fleet: "demo", hosts: ["127.0.0.1"], rootPassphrase: undefined, settings });
});

afterAll(async () => {
  keepListsBelow(parent);
  await rm(parent, { recursive: true, force: true });
});

async function copyOfBase(name: string): Promise<string> {
  const copy = join(parent, name);
  await cp(base, copy, { recursive: true });
  return copy;
}

describe("init", () => {
  it("never overwrites a controller", async () => {
    const before = await readFile(join(base, "ca", "root.pem"), "utf8");
    const again = { data: base, fleet: "demo", hosts: ["127.0.0.1"], rootPassphrase: undefined, settings };
    await expect(initController(again)).rejects.toMatchObject({ code: "already-exists" });
    expect(await readFile(join(base, "ca", "root.pem"), "utf8")).toBe(before);
  });

  it("writes nothing when the configuration would be wrong", async () => {
    const data = join(parent, "never");
    const wrong = { data, fleet: "Not A Name", hosts: ["127.0.0.1"], rootPassphrase: undefined };
    await expect(initController(wrong)).rejects.toMatchObject({ code: "config-invalid" });
    expect(await readdir(parent)).not.toContain("never");
  });

  it("leaves keys encrypted and files to their owner only (I6)", async () => {
    for (const directory of ["keys", "root-key"]) {
      const names = await readdir(join(base, directory));
      expect(names).not.toEqual([]);
      for (const name of names) {
        expect(await readFile(join(base, directory, name), "utf8")).toContain("BEGIN ENCRYPTED PRIVATE KEY");
      }
    }
  });
});

describe("serve", () => {
  it("runs without the root key, refuses a second one on the same data, and stops in order", async () => {
    const data = await copyOfBase("rootless");
    await rm(join(data, "root-key"), { recursive: true });
    await rm(join(data, "secrets", "root-passphrase"));
    const { program, endpoints } = await serve({ data }, "error");
    await expect(startController({ data, logLevel: "silent" })).rejects.toMatchObject({ code: "conflict" });
    const health = await fetch(`http://127.0.0.1:${endpoints.http.port}/readyz`);
    expect(await health.json()).toMatchObject({ ready: true, reasons: [] });
    await program.stop();
    expect(program.end).toBe(0);
    expect(await readdir(join(data, "run"))).not.toContain("endpoints.json");
    await expect(connectController({ data }, {})).rejects.toMatchObject({ code: "offline" });
  });

  it("serves the CRL and the CA certificate that its certificates name", async () => {
    const controller = await startController({ data: await copyOfBase("named"), logLevel: "silent" });
    try {
      const leaf = await presentedBy(controller.endpoints.operational.port);
      const [crl] = leaf.crlDistributionPoints;
      const list = await fetch(crl ?? "");
      expect(list.headers.get("content-type")).toBe("application/pkix-crl");
      const ca = await fetch((crl ?? "").replace(/crl\/([0-9a-f]{64})\/.*$/, "ca/$1.crt"));
      const issuer = parseCertificate(new Uint8Array(await ca.arrayBuffer()));
      expect(issuer.subject.equals(leaf.issuer)).toBe(true);
    } finally {
      await controller.stop();
    }
  });

  it("takes a trust bundle renewed with the root while it runs, and finds one renewed while it did not", async () => {
    const data = await copyOfBase("renewed");
    const controller = await startController({ data, logLevel: "silent" });
    const { trust } = controller.operations;
    const running = {
      intend: (intent: Parameters<typeof trust.intend>[1]) => trust.intend(actor, intent),
      publish: (envelope: Uint8Array) => trust.publish(actor, envelope),
    };
    await renewTrust({ data, rootPassphrase: undefined, controller: running });
    expect(await trust.show(actor)).toMatchObject({ version: 2 });
    await controller.stop();
    await renewTrust({ data, rootPassphrase: undefined, controller: undefined });
    const again = await startController({ data, logLevel: "silent" });
    expect(await again.operations.trust.show(actor)).toMatchObject({ version: 3 });
    await again.stop();
  });

  it("says what is wrong with an address, a configuration, a lost store, a lost anchor or a wrong passphrase", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const port = (taken.address() as { port: number }).port;
    const config = (text: string) => (data: string) => writeFile(join(data, "config.yaml"), `fleet: demo\n${text}\n`);
    const cases: readonly (readonly [string, (data: string) => Promise<void>])[] = [
      ["config-invalid", config(`listeners: {http: {host: 127.0.0.1, port: ${port}}}`)],
      ["config-invalid", config("listener: {}")],
      ["data-directory", (data) => rm(join(data, "store.db"))],
      ["data-directory", (data) => rm(join(data, "anchor.json"))],
      ["data-directory", (data) => rm(join(data, "secrets", "keystore-passphrase"))],
      ["key-store-unavailable", (data) => writeFile(join(data, "secrets", "keystore-passphrase"), "wrong\n")],
      ["key-store-unavailable", (data) => chmod(join(data, "keys"), 0o755)],
      ["data-directory", (data) => rm(join(data, "trust"), { recursive: true })],
    ];
    for (const [index, [code, damage]] of cases.entries()) {
      const data = await copyOfBase(`damaged-${index}`);
      await damage(data);
      await expect(startController({ data, logLevel: "silent" })).rejects.toMatchObject({ code });
    }
    taken.close();
  });

  it("renews its listener's certificate without dropping a session", async () => {
    const data = await copyOfBase("listener");
    await writeFile(
      join(data, "config.yaml"),
      `fleet: demo\nhosts: [127.0.0.1]\nlistenerValidity: 12s\nlisteners: ${JSON.stringify(settings.listeners)}\n`,
    );
    const controller = await startController({ data, logLevel: "silent" });
    try {
      const { operational } = controller.endpoints;
      const { claimString } = await controller.operations.claims.create(actor, { maxUses: 1, validFor: 60_000 });
      const device = new SocketDevice(controller.endpoints, "edge-1");
      expect(await device.enrol(claimString)).toMatchObject({ type: "issued" });
      const session = await device.stay();
      const before = await presentedBy(operational.port);
      let after = before;
      // The profile backdates by an hour: 2/3 of the whole life has passed at once, and maintenance renews every round.
      for (const end = Date.now() + 20_000; after.sha256 === before.sha256 && Date.now() < end; ) {
        await new Promise((done) => setTimeout(done, 500));
        after = await presentedBy(operational.port);
      }
      expect(after.sha256).not.toBe(before.sha256);
      // Dates have whole seconds; a renewal within the same one ends when its predecessor does.
      expect(after.notAfter).toBeGreaterThanOrEqual(before.notAfter);
      expect(session.connected).toBe(true);
      session.end(true);
    } finally {
      await controller.stop();
    }
  });
});

/** The leaf a TLS listener presents now. */
async function presentedBy(port: number) {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return parseCertificate(new Uint8Array(raw));
}
