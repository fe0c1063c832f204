import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeCsr, parseCertificate, parseCrl, pemDecode, pemEncode, spkiSha256 } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { testSigner } from "../../support/keys/test-signer.ts";
import { testPki } from "../../support/pki/test-pki.ts";
import { softwareIdentity, type TlsIdentity } from "../../support/pki/tls-identity.ts";
import { isTaken, type Mosquitto, mosquittoPart, startMosquitto } from "../../support/programs/mosquitto.ts";
import { type Nginx, nginxPart, startNginx, statusFor } from "../../support/programs/nginx.ts";
import { describeWith } from "../../support/programs/optional-part.ts";
import { execute } from "../../support/programs/runbook.ts";

describeWith([mosquittoPart, nginxPart], "an issuing CA that was retired, and then distrusted", () => {
  let folder: string;
  let controller: RealController;
  let fleet: RealAgents;
  let gateway: RealAgent;
  let mosquitto: Mosquitto;
  let nginx: Nginx;
  /** Has a certificate of the old CA, and one day of the new one. */
  let old: TlsIdentity;
  let from: string;
  const inFolder = (name: string) => join(folder, name);
  const fleetcert = (command: string) => execute(`fleetcert --data ${controller.data} ${command} --json`, {});

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fleetcert-distrust-"));
    for (const name of ["mosquitto", "nginx"]) {
      await writeFile(inFolder(`${name}.sh`), `#!/bin/sh\nexec kill -HUP "$(cat ${inFolder(`${name}.pid`)})"\n`);
      await chmod(inFolder(`${name}.sh`), 0o755);
    }
    await writeFile(inFolder("old-ca.pem"), "");
    const output = (name: string, include: readonly string[]) => ({
      ...{ file: inFolder(`${name}-crl.pem`), include },
      reload: { command: [inFolder(`${name}.sh`)] },
    });
    // nginx is given the old CA's own lists for good, so that nothing but the root's list can refuse a certificate of it.
    const restart = { command: [inFolder("restart.sh")] };
    const outputs = [{ ...output("mosquitto", []), restart }, output("nginx", [inFolder("old-ca.pem")])];
    [controller, fleet] = await Promise.all([
      realController({ settings: { renewalWindow: "1s", graceAfterProof: "1h", revocation: { ocsp: true } } }),
      RealAgents.open({ settingsOf: () => ({ revocation: { outputs } }) }),
    ]);
    from = controller.running.issuerId;
    gateway = await fleet.start("gateway", controller.endpoints, await controller.claim());
    await eventually(() => expect(gateway.status().slots[0]?.journal).toBe("idle"));
    old = await identityOfBefore();
    await writeFile(inFolder("old-ca.pem"), pemEncode("X509 CRL", await listOf(old.cert)));
    await eventually(async () => expect(await namesIn("nginx-crl.pem")).toHaveLength(2));
    await startServices();
    const csr = await encodeCsr({ signer: testSigner("P-256"), commonName: "bob" });
    await controller.running.operations.operators.create(administrator, { name: "bob", role: "approver", csr });
  }, 60_000);
  afterAll(async () => {
    await fleet?.close();
    const restarted = Number(await readFile(inFolder("mosquitto.pid"), "utf8").catch(() => "0"));
    if (restarted > 0 && restarted !== mosquitto?.pid) process.kill(restarted);
    await mosquitto?.stop();
    await nginx?.stop();
    await controller?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** The device's first certificate and a key for node:tls; whoever had stolen the CA's key could make such a one too. */
  async function identityOfBefore(): Promise<TlsIdentity> {
    const key = testSigner("P-256");
    const { duties } = controller.running;
    const { der } = await duties.issuance.toController({
      ...{ actor: "controller", commonName: "panel", usage: "clientAuth", hosts: [], profile: "probe" },
      ...{ spki: key.spki, keyAlgorithm: "P-256", validity: 30 * day, backdate: day / 24 },
      commit: async () => undefined,
    });
    const chain = [der, duties.authority.certificate];
    return { key: key.privatePem, cert: chain.map((one) => pemEncode("CERTIFICATE", one)).join("") };
  }

  async function startServices(): Promise<void> {
    const ca = pemEncode("CERTIFICATE", controller.running.root);
    const elsewhere = await testPki();
    const server = await softwareIdentity(elsewhere, "service", { subjectAlternativeNames: [{ ip: "127.0.0.1" }] });
    mosquitto = await startMosquitto({
      server,
      ca,
      acl: "topic readwrite #\n",
      crlFile: inFolder("mosquitto-crl.pem"),
    });
    nginx = await startNginx({ port: await freePort(), server, ca, crlFile: inFolder("nginx-crl.pem") });
    await writeFile(inFolder("mosquitto.pid"), String(mosquitto.pid));
    // As systemd would: whoever holds the port goes, and another comes up with the files as they are now.
    const again = `kill $(cat ${inFolder("mosquitto.pid")}); sleep 0.5; ${mosquitto.program} -c ${mosquitto.config} >/dev/null 2>&1 & echo $! > ${inFolder("mosquitto.pid")}`;
    await writeFile(inFolder("restart.sh"), `#!/bin/sh\n${again}\n`, { mode: 0o755 });
    await writeFile(inFolder("nginx.pid"), String(nginx.pid));
  }

  async function listOf(chainPem: string): Promise<Uint8Array> {
    const [leaf = new Uint8Array()] = pemDecode(chainPem, "CERTIFICATE");
    const [point = ""] = parseCertificate(leaf).crlDistributionPoints;
    return new Uint8Array(await (await fetch(point)).arrayBuffer());
  }

  /** Whose lists a file holds. */
  async function namesIn(name: string): Promise<string[]> {
    const text = await readFile(inFolder(name), "utf8").catch(() => "");
    return [...new Set(pemDecode(text, "X509 CRL").map((der) => parseCrl(der).issuer.commonName ?? ""))];
  }

  const atMosquitto = (identity: TlsIdentity): Promise<boolean> => isTaken(mosquitto, identity);
  const atNginx = (identity: TlsIdentity): Promise<number> => statusFor(nginx, identity);

  /** What `openssl ocsp` makes of the answer about a certificate. */
  async function ocspSays(identity: TlsIdentity): Promise<string> {
    const [leaf = new Uint8Array(), ca = new Uint8Array()] = pemDecode(identity.cert, "CERTIFICATE");
    await writeFile(inFolder("leaf.pem"), pemEncode("CERTIFICATE", leaf));
    await writeFile(inFolder("ca.pem"), pemEncode("CERTIFICATE", ca));
    await writeFile(inFolder("root.pem"), pemEncode("CERTIFICATE", controller.running.root));
    const url = `http://127.0.0.1:${controller.endpoints.http.port}/ocsp`;
    const args = ["ocsp", "-issuer", "ca.pem", "-cert", "leaf.pem", "-CAfile", "root.pem", "-url", url, "-nonce"];
    // Not spawnSync: who answers lives in this process.
    const child = spawn("openssl", args, { cwd: folder, timeout: 20_000 });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += String(chunk)));
    await once(child, "close");
    return said;
  }

  it("is answered for and believed while it is only retired: by OCSP, nginx and Mosquitto", async () => {
    expect([await atMosquitto(old), await atNginx(old)]).toEqual([true, 200]);
    const started = await fleetcert("ca rollover start --always 0 --daily 0 --rare 0 --soak 1s");
    expect(started, started.stderr).toMatchObject({ code: 0 });
    await eventually(async () => {
      const { json } = await fleetcert("ca rollover status");
      expect(json).toMatchObject({ rollover: { state: "retiring" } });
    });
    expect(controller.running.duties.issuers.issuing.id).not.toBe(from);
    expect(await ocspSays(old)).toMatch(/leaf.pem: good/);
    expect(await ocspSays(old)).toContain("Response verify OK");
    const present = await identityOfBefore();
    await eventually(async () => expect(await ocspSays(present)).toMatch(/verify OK[\s\S]*leaf.pem: good/));
    expect([await atMosquitto(old), await atNginx(old)]).toEqual([true, 200]);
  }, 90_000);

  it("is refused everywhere once two persons have distrusted it, by the root's list too", async () => {
    const waiting = await fleetcert(`ca distrust ${from} --yes`);
    expect(waiting).toMatchObject({ code: 9 });
    const hash = /plan ([0-9a-f]{64}) waits/.exec(waiting.stderr)?.[1] ?? "";
    await controller.running.operations.plans.approve({ name: "operator:bob", role: "approver" }, hash);
    const distrusted = await fleetcert(`ca distrust ${from} --yes`);
    expect(distrusted, distrusted.stderr).toMatchObject({ code: 0 });
    const distrustedAt = performance.now();
    await eventually(async () => expect([await atMosquitto(old), await atNginx(old)]).toEqual([false, 400]));
    process.stderr.write(`    refused after ${((performance.now() - distrustedAt) / 1000).toFixed(1)} s\n`);

    const present = await identityOfBefore();
    await eventually(async () => expect([await atMosquitto(present), await atNginx(present)]).toEqual([true, 200]));
    expect([await atMosquitto(old), await atNginx(old)]).toEqual([false, 400]);
    const ca = parseCertificate(controller.running.duties.issuers.require(from).certificate);
    const name = ca.subject.commonName ?? "";
    expect([
      (await namesIn("nginx-crl.pem")).includes(name),
      (await namesIn("mosquitto-crl.pem")).includes(name),
    ]).toEqual([true, false]);
    const lists = pemDecode(await readFile(inFolder("nginx-crl.pem"), "utf8"), "X509 CRL").map(parseCrl);
    const root = parseCertificate(controller.running.root);
    const own = lists.find(({ issuer }) => issuer.equals(root.subject));
    expect(own?.find(ca.serial)).toMatchObject({ reason: "cACompromise" });
    expect(lists.some((list) => list.issuer.equals(ca.subject) && list.entryCount > 0)).toBe(false);
  }, 90_000);

  it("is answered for as revoked, and the new one as good", async () => {
    await eventually(async () => expect(await ocspSays(old)).toMatch(/verify OK[\s\S]*leaf.pem: revoked/));
    expect(await ocspSays(old)).toContain("Reason: cACompromise");
    expect(await ocspSays(await identityOfBefore())).toMatch(/verify OK[\s\S]*leaf.pem: good/);
    // Who has nothing but the root's list to go by finds it where the CA's certificate says.
    const { duties } = controller.running;
    const id = spkiSha256(parseCertificate(controller.running.root).spki);
    const served = await fetch(`http://127.0.0.1:${controller.endpoints.http.port}/crl/${id}.crl`);
    const list = parseCrl(new Uint8Array(await served.arrayBuffer()));
    const { serial } = parseCertificate(duties.issuers.require(from).certificate);
    expect(list.find(serial)).toBeDefined();
  }, 60_000);
});

const day = 86_400_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const eventually = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 40_000, interval: 200 });
