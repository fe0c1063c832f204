import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCertificate, pemEncode } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { dataPaths } from "../../../controller/src/adapters/files/data-directory.ts";
import { readPkiFiles } from "../../../controller/src/adapters/files/pki-files.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { gnutlsPart } from "../../support/programs/certtool.ts";
import { opensslText } from "../../support/programs/openssl.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

const isBelievedGood = (output: string): boolean =>
  output.includes("Response verify OK") && output.includes("leaf.pem: good");

describeWith([gnutlsPart], "a controller that answers OCSP", () => {
  let folder: string;
  let controller: RealController;
  let url: string;
  let issuerPem: string;
  /** The controller's own API certificate stands for any it has issued. */
  let leaf: Uint8Array;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fleetcert-ocsp-"));
    controller = await realController({ settings: { revocation: { ocsp: true } } });
    url = `http://localhost:${controller.endpoints.http.port}/ocsp`;
    const { root, issuing } = await readPkiFiles(dataPaths(controller.data));
    issuerPem = pemEncode("CERTIFICATE", issuing);
    leaf = await ownCertificate("api");
    await writeFile(join(folder, "root.pem"), pemEncode("CERTIFICATE", root));
    await writeFile(join(folder, "ca.pem"), issuerPem);
    await writeFile(join(folder, "leaf.pem"), pemEncode("CERTIFICATE", leaf));
  }, 60_000);
  afterAll(async () => {
    await controller?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function ownCertificate(name: string): Promise<Uint8Array> {
    const { store } = controller.running.duties;
    const note = await store.transaction((tx) => tx.settings.find(`listener/${name}`));
    const { sha256 } = JSON.parse(note ?? "{}") as { readonly sha256: string };
    const found = await store.transaction((tx) => tx.certificates.find(sha256));
    return found?.der ?? new Uint8Array();
  }

  /** Not spawnSync: the controller that answers lives in this process. */
  async function run(program: string, args: readonly string[]): Promise<string> {
    const child = spawn(program, args, { cwd: folder, timeout: 20_000 });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
    await once(child, "close");
    return output;
  }
  const asked = (...more: string[]) => [
    "ocsp",
    "-issuer",
    "ca.pem",
    "-cert",
    "leaf.pem",
    "-CAfile",
    "root.pem",
    ...more,
  ];

  it("names itself in certificates, and its own needs no check", async () => {
    expect(opensslText("x509", leaf)).toContain(`OCSP - URI:http://localhost:${controller.endpoints.http.port}/ocsp`);
    const text = opensslText("x509", await ownCertificate(`ocsp-${controller.running.issuerId.slice(0, 16)}`));
    expect(text).toContain("OCSP Signing");
    expect(text).toContain("OCSP No Check");
    expect(
      parseCertificate(await ownCertificate(`ocsp-${controller.running.issuerId.slice(0, 16)}`)).extendedKeyUsage,
    ).toEqual(["ocspSigning"]);
  });

  it("answers openssl and ocsptool, with a nonce and without, and caches by GET", async () => {
    expect(await run("openssl", asked("-url", url, "-nonce"))).toSatisfy(isBelievedGood);
    expect(await run("openssl", asked("-url", url, "-no_nonce"))).toSatisfy(isBelievedGood);
    const ask = [`--ask=${url}`, "--load-cert", "leaf.pem", "--load-issuer", "ca.pem", "--load-trust", "ca.pem"];
    expect(await run("ocsptool", ask)).toContain("Verifying OCSP Response: Success.");

    await run("openssl", asked("-no_nonce", "-reqout", "request.der"));
    const request = await run("openssl", ["base64", "-A", "-in", "request.der"]);
    const get = () => fetch(`${url}/${encodeURIComponent(request.trim())}`);
    const first = await get();
    expect(first.headers.get("content-type")).toBe("application/ocsp-response");
    expect(first.headers.get("cache-control")).toBe("public, max-age=300, must-revalidate");
    const etag = first.headers.get("etag") ?? "";
    const again = await fetch(`${url}/${encodeURIComponent(request.trim())}`, { headers: { "if-none-match": etag } });
    expect(again.status).toBe(304);
    await writeFile(join(folder, "response.der"), new Uint8Array(await first.arrayBuffer()));
    expect(await run("openssl", asked("-no_nonce", "-respin", "response.der"))).toContain("Response verify OK");
  });

  it("answers what is no request with an OCSP error, never with a crash", async () => {
    const malformed = "30030a0101";
    const hex = async (answer: Response) => Buffer.from(await answer.arrayBuffer()).toString("hex");
    const type = { "content-type": "application/ocsp-request" };
    expect(await hex(await fetch(url, { method: "POST", body: "x", headers: type }))).toBe(malformed);
    expect(await hex(await fetch(`${url}/%00`))).toBe(malformed);
    expect(await hex(await fetch(`${url}/${"A".repeat(5000)}`))).toBe(malformed);
    expect((await fetch(url, { method: "POST", body: "x".repeat(5000), headers: type })).status).toBe(413);
    expect(await hex(await fetch(url, { method: "POST", body: "{}" }))).toBe(malformed);
  });

  it("says revoked from the moment of the revocation", async () => {
    const serial = parseCertificate(leaf).serial.hex;
    await controller.running.operations.revocations.revoke(administrator, { serial, reason: "superseded" });
    expect(await run("openssl", asked("-url", url, "-nonce"))).toMatch(/leaf.pem: revoked[\s\S]*Reason: superseded/);
  });
});
