import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { openKeyProvider } from "@fleetcert/hw";
import { parseCertificate } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { softHsmPart, startSoftHsm, type TestToken } from "../../support/keys/softhsm.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { opensslVerify } from "../../support/programs/openssl.ts";
import { describeWith } from "../../support/programs/optional-part.ts";
import { endPrograms, startProgram, untilSeen } from "../../support/programs/processes.ts";
import { placeAgent, startAgentRun, untilSettled } from "../../support/scenarios/scenario-agent.ts";
import {
  administrator,
  type ControllerPlace,
  makeController,
  type ServingController,
  serve,
} from "../../support/scenarios/scenario-controller.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describeWith([softHsmPart], "a controller with its keys in tokens", () => {
  const hsm = startSoftHsm();
  const [ca, root] = [hsm.createToken("ca keys"), hsm.createToken("root")];
  let directory: string;
  let place: ControllerPlace;
  let serving: ServingController;
  /** What programs were started with and wrote. */
  const seen: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "fc-ca-"));
    const [caPlace, rootPlace] = await Promise.all([ca, root].map(placeOf));
    const keys = { issuing: caPlace ?? "", command: caPlace ?? "", root: rootPlace ?? "" };
    place = await makeController(join(directory, "controller"), keys);
    serving = await serve(place);
    for (const name of ["cmdline", "environ"]) {
      seen.push(await readFile(`/proc/${serving.program.pid}/${name}`, "latin1"));
    }
  });

  afterAll(async () => {
    await endPrograms();
    hsm.remove();
    await rm(directory, { recursive: true, force: true });
  });

  async function placeOf({ tokenLabel, pin }: TestToken, index = 0): Promise<string> {
    const file = join(directory, `pin-${index}`);
    await writeFile(file, `${pin.reveal()}\n`, { mode: 0o600 });
    const token = encodeURIComponent(tokenLabel);
    return `pkcs11:token=${token}?module-path=${hsm.modulePath}&pin-source=file:${file}`;
  }

  async function labelsIn({ tokenLabel, pin }: TestToken): Promise<string[]> {
    const keys = await openKeyProvider({ kind: "pkcs11", modulePath: hsm.modulePath, tokenLabel, pin: () => pin });
    const found = await keys.list("");
    await keys.close();
    return found.map(({ label, algorithm }) => `${label.replace(/-[0-9]+$/, "")} ${algorithm}`).sort();
  }

  it("keeps none of them in files, and each where it was told to", async () => {
    expect(await labelsIn(root)).toEqual(["root P-384"]);
    const held = await labelsIn(ca);
    expect(new Set(held)).toEqual(
      new Set(["issuing P-256", "command-messages P-256", "command-heads P-256", "command-time P-256"]),
    );
    expect(await readdir(join(place.data, "root-key"))).toEqual([]);
    const inFiles = await readdir(join(place.data, "keys"));
    const texts = await Promise.all(inFiles.map((name) => readFile(join(place.data, "keys", name), "utf8")));
    expect(texts.filter((text) => /issuing|command-|root/.test(text))).toEqual([]);
  });

  it("enrols a device whose chain OpenSSL verifies, with the list the token signed, before and after its revocation", async () => {
    const claimFile = join(directory, "claim");
    const claim = await serving.operations.claims.create(administrator, { maxUses: 1, validFor: 3_600_000 });
    await writeFile(claimFile, claim.claimString, { mode: 0o600 });
    const device = await placeAgent({ data: join(directory, "d"), device: "pump-1", controller: place, claimFile });
    const agent = startAgentRun(device);
    await untilSettled(device, agent, 1);
    const pem = await readFile(join(device.data, "certificates", "identity.pem"), "utf8");
    const [leaf, issuing] = certificatesIn(pem);
    const roots = certificatesIn(await readFile(join(place.data, "ca", "root.pem"), "utf8"));
    const judge = async (crls: readonly Uint8Array[]) =>
      opensslVerify({
        ...{ leaf: leaf ?? new Uint8Array(), intermediates: [issuing ?? new Uint8Array()], roots },
        ...{ at: Date.now(), purpose: "clientAuth", crls, leafOnly: true },
      });
    const [point = ""] = parseCertificate(leaf ?? new Uint8Array()).crlDistributionPoints;
    const fetchList = async () => new Uint8Array(await (await fetch(point)).arrayBuffer());
    expect(await judge([await fetchList()])).toMatchObject({ isAccepted: true });
    await serving.operations.revocations.revoke(administrator, { device: "pump-1", reason: "keyCompromise" });
    const verdict = await untilSeen(
      async () => {
        const now = await judge([await fetchList()]);
        return now.isAccepted ? undefined : now;
      },
      { within: 30_000, complain: () => "it stayed good" },
    );
    expect(verdict.output).toContain("revoked");
    await agent.stop();
    seen.push(agent.stdout(), agent.stderr());
  });

  it("renews trust with the root in its token, while it serves", async () => {
    const renewal = startProgram("controller/src/main.ts", ["trust", "renew", "--data", place.data, "--json"]);
    seen.push(await readFile(`/proc/${renewal.pid}/cmdline`, "latin1"));
    expect(await renewal.ended, renewal.stderr()).toBe(0);
    expect(JSON.parse(renewal.stdout())).toMatchObject({ era: 1, version: 2 });
    seen.push(renewal.stdout(), renewal.stderr());
    expect(await labelsIn(root)).toEqual(["root P-384"]);
  });

  it("told its PINs to nobody: no argument, variable, log or file holds one (I6)", async () => {
    await serving.program.stop();
    seen.push(serving.program.stdout(), serving.program.stderr());
    for (const entry of await readdir(place.data, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) seen.push(await readFile(join(entry.parentPath, entry.name), "latin1"));
    }
    expect(seen.length).toBeGreaterThan(15);
    for (const text of seen) for (const { pin } of [ca, root]) expect(text).not.toContain(pin.reveal());
    expect(seen.some((text) => text.includes("pin-source"))).toBe(true);
  });

  it("presents a wrong PIN once, however often init is run again", async () => {
    const guarded = hsm.createToken("guarded");
    const uri = await placeOf({ ...guarded, pin: root.pin }, 7);
    const init = async () => {
      const run = startProgram("controller/src/main.ts", ["init", "--data", join(directory, "never"), "--ca-key", uri]);
      return { code: await run.ended, said: run.stderr() };
    };
    expect(await init()).toMatchObject({ code: 10, said: expect.stringContaining("CKR_PIN_INCORRECT") });
    for (let again = 0; again < 2; again++) {
      expect(await init()).toMatchObject({ code: 10, said: expect.stringContaining("it was not tried again") });
    }
    await writeFile(join(directory, "pin-7"), guarded.pin.reveal(), { mode: 0o600 });
    expect(await init()).toMatchObject({ code: 0 });
    expect(await labelsIn(guarded)).toEqual(["issuing P-256"]);
  });

  it("says in its configuration's terms what is wrong with a place", async () => {
    const attempt = (issuing: string) => makeController(join(directory, "wrong"), { issuing });
    await expect(attempt("softhsm")).rejects.toMatchObject({ code: "config-invalid" });
    await expect(attempt("pkcs11:token=x")).rejects.toMatchObject({ code: "config-invalid" });
    await expect(attempt("pkcs11:token=x?pin-value=1234")).rejects.toMatchObject({ code: "request-invalid" });
    await expect(attempt("tpm:nowhere")).rejects.toMatchObject({ code: "config-invalid" });
  });
});

describeWith([swtpmPart], "a controller with its CA keys in a TPM", () => {
  let tpm: Swtpm;
  let directory: string;
  beforeAll(async () => {
    tpm = await startSwtpm();
    directory = await mkdtemp(join(tmpdir(), "fc-ca-tpm-"));
  });
  afterAll(async () => {
    await endPrograms();
    await tpm.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it("signs its listeners' certificates there, below a root that has a curve the TPM has", async () => {
    const at = `tpm:${tpm.address}`;
    const place = await makeController(join(directory, "controller"), { issuing: at, root: at });
    expect(await readdir(join(place.data, "tpm-keys"))).toHaveLength(2);
    const { endpoints, program } = await serve(place);
    const socket = connect({ port: endpoints.api.port, host: "127.0.0.1", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const leaf = new Uint8Array(socket.getPeerCertificate(true).raw);
    socket.destroy();
    const [issuing, root] = await Promise.all(
      ["issuing", "root"].map(async (name) =>
        certificatesIn(await readFile(join(place.data, "ca", `${name}.pem`), "utf8")),
      ),
    );
    const path = { leaf, intermediates: issuing ?? [], roots: root ?? [] };
    expect(opensslVerify({ ...path, at: Date.now(), purpose: "serverAuth" })).toMatchObject({ isAccepted: true });
    await program.stop();
  });
});

/** DER of every certificate of a PEM file, by another reader than ours. */
function certificatesIn(text: string): Uint8Array[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new Uint8Array(new X509Certificate(block).raw));
}
