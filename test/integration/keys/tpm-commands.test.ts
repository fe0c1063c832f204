import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runAgentCommand } from "../../support/agent/agent-command.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([swtpmPart], "fleetcert-agent tpm", () => {
  let made: Swtpm;
  let bare: Swtpm;
  let data: string;
  beforeAll(async () => {
    [made, bare] = [await startSwtpm({ manufactured: true }), await startSwtpm()];
    data = await mkdtemp(join(tmpdir(), "fleetcert-tpm-cli-"));
  });
  afterAll(async () => {
    await Promise.all([made.stop(), bare.stop()]);
    await rm(data, { recursive: true, force: true });
  });

  const run = (...args: string[]) => runAgentCommand(data, ["tpm", ...args]);

  it("info says who made it, its banks, and that nothing has locked it", async () => {
    const { code, stdout } = await run("info", "--tpm", made.address, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      manufacturer: "IBM",
      keyAlgorithms: ["P-256", "RSA-2048"],
      curves: expect.arrayContaining(["P-256", "P-384"]),
      pcrBanks: [{ hash: "sha256", pcrs: 24 }],
      lockout: { isLockedOut: false, failures: 0 },
    });
    expect((await run("info", "--tpm", made.address)).stdout).toMatch(/^locked +no$/m);
  });

  it("ek gives the hash that allow-lists name, the certificate's facts, and PEM that OpenSSL reads", async () => {
    const { stdout } = await run("ek", "--tpm", made.address, "--json");
    const found = JSON.parse(stdout) as { sha256: string; certificate: { sha256: string } };
    expect(found).toMatchObject({ certificate: { model: "swtpm", firmware: "id:20191023" } });
    const pem = (await run("ek", "--tpm", made.address, "--pem")).stdout;
    const spki = createPublicKey(pem).export({ type: "spki", format: "der" });
    expect(sha256Hex(spki)).toBe(found.sha256);
    const certificate = new X509Certificate(pem.slice(pem.indexOf("-----BEGIN CERTIFICATE")));
    expect(sha256Hex(certificate.raw)).toBe(found.certificate.sha256);
  });

  it("ek says what to do about a TPM without a certificate", async () => {
    const { code, stdout } = await run("ek", "--tpm", bare.address);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^sha256 +[0-9a-f]{64}$/m);
    expect(stdout).toContain("attestation.endorsementKeys");
  });

  it.each([
    ["a TPM as its maker ships it", () => made],
    ["a bare TPM", () => bare],
  ])("attest goes through every step with %s and leaves no key behind", async (_, tpm) => {
    const { code, stdout } = await run("attest", "--tpm", tpm().address, "--json");
    const steps = JSON.parse(stdout) as { step: string; isOk: boolean }[];
    expect(steps.map(({ step, isOk }) => (isOk ? step : `${step} FAILED`))).toEqual([
      "open",
      "endorsement key",
      "attestation key",
      "credential",
      "key",
      "certification",
      "quote",
    ]);
    expect(code).toBe(0);
    expect(await readdir(data)).toEqual([]);
  });

  it("attest stops at the step that fails, says why, and exits 10", async () => {
    const { code, stdout, stderr } = await run("attest", "--tpm", "swtpm:path=/nowhere/tpm.sock");
    expect(code).toBe(10);
    expect(stderr).toBe("");
    expect(stdout.trim().split("\n")).toHaveLength(2);
    expect(stdout).toContain("✖");
  });

  it("says key-store-unavailable where there is no TPM", async () => {
    const { code, stderr } = await run("info", "--tpm", "device:/dev/no-tpm");
    expect(code).toBe(10);
    expect(stderr).toContain("key-store-unavailable");
  });
});
