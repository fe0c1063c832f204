import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCertificate, parseCrl } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { dataPaths } from "../../../controller/src/adapters/files/data-directory.ts";
import { readPkiFiles } from "../../../controller/src/adapters/files/pki-files.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { opensslText, opensslVerify } from "../../support/programs/openssl.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

const curlPart = {
  name: "curl",
  isPresent: spawnSync("curl", ["--version"]).status === 0,
  install: "sudo apt-get install curl",
};

describeWith([curlPart], "the list that a certificate names, fetched by curl", () => {
  let folder: string;
  let controller: RealController;
  /** The controller's own API certificate stands for any it has issued. */
  let leaf: Uint8Array;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "fleetcert-curl-"));
    controller = await realController({ settings: { revocation: { deltaLists: true } } });
    const { store } = controller.running.duties;
    const note = await store.transaction((tx) => tx.settings.find("listener/api"));
    const { sha256 } = JSON.parse(note ?? "{}") as { readonly sha256: string };
    leaf = (await store.transaction((tx) => tx.certificates.find(sha256)))?.der ?? new Uint8Array();
    url = parseCertificate(leaf).crlDistributionPoints[0] ?? "";
  }, 60_000);
  afterAll(async () => {
    await controller?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** The status curl tells; not spawnSync: the controller that answers lives in this process. */
  async function curl(...args: string[]): Promise<number> {
    const child = spawn("curl", ["-sS", "-w", "%{http_code}", ...args], { cwd: folder, timeout: 20_000 });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
    await once(child, "close");
    return Number(output);
  }
  const file = async (name: string) => new Uint8Array(await readFile(join(folder, name)));
  const headers = async (name: string) =>
    Buffer.from(await file(name))
      .toString("latin1")
      .toLowerCase();

  it("comes with what caches need, and a client that has it already gets no second copy", async () => {
    expect(await curl("-D", "headers", "-o", "list", url)).toBe(200);
    const list = await file("list");
    const { nextUpdate = 0, thisUpdate } = parseCrl(list);
    const seen = await headers("headers");
    for (const line of [
      "content-type: application/pkix-crl",
      `content-length: ${list.length}`,
      "accept-ranges: bytes",
      "cache-control: public, max-age=",
      `expires: ${new Date(nextUpdate).toUTCString().toLowerCase()}`,
      `last-modified: ${new Date(thisUpdate).toUTCString().toLowerCase()}`,
    ]) {
      expect(seen).toContain(line);
    }
    expect(await curl("-I", "-o", "head", url)).toBe(200);
    expect(await headers("head")).toContain(`content-length: ${list.length}`);

    expect(await curl("--etag-save", "etag", "-o", "list", url)).toBe(200);
    expect(await curl("--etag-compare", "etag", "-o", "unchanged", url)).toBe(304);
    expect(await curl("-R", "-o", "dated", url)).toBe(200);
    expect(await curl("-z", "dated", "-o", "unchanged", url)).toBe(304);
    expect(await curl("-o", "none", `${url.replace(/[0-9]+\.crl$/, "")}999.crl`)).toBe(404);
  });

  it("goes on with a download that was cut off, and asks for the whole again where it became another list", async () => {
    expect(await curl("-o", "whole", url)).toBe(200);
    const whole = await file("whole");
    expect(await curl("-r", "0-99", "-o", "cut", url)).toBe(206);
    expect(await file("cut")).toEqual(whole.subarray(0, 100));
    expect(await curl("-C", "-", "-o", "cut", url)).toBe(206);
    expect(await file("cut")).toEqual(whole);
    expect(await curl("-r", "-20", "-o", "end", url)).toBe(206);
    expect(await file("end")).toEqual(whole.subarray(-20));
    expect(await curl("-r", `${whole.length}-`, "-o", "behind", url)).toBe(416);
    expect(await curl("-r", "5-", "-H", 'If-Range: "another"', "-o", "other", url)).toBe(200);
    expect(await file("other")).toEqual(whole);
  });

  it("tells a hold at once, and its end by the delta beside it, as OpenSSL reads both", async () => {
    const { revocations } = controller.running.operations;
    const serial = parseCertificate(leaf).serial.hex;
    expect(await curl("--etag-save", "before", "-o", "list", url)).toBe(200);
    await revocations.revoke(administrator, { serial, reason: "certificateHold" });
    expect(await curl("--etag-compare", "before", "-o", "held", url)).toBe(200);
    await revocations.undo(administrator, { serial });
    const [delta = ""] =
      /URI:(\S+)/.exec(opensslText("crl", await file("held")).split("Freshest CRL")[1] ?? "")?.slice(1) ?? [];
    expect(delta).toBe(url.replace(/\.crl$/, "-delta.crl"));
    expect(await curl("--etag-save", "of-delta", "-o", "delta", delta)).toBe(200);
    expect(await curl("--etag-compare", "of-delta", "-o", "unchanged", delta)).toBe(304);
    expect(opensslText("crl", await file("delta"))).toContain("Remove From CRL");

    const { root, issuing } = await readPkiFiles(dataPaths(controller.data));
    const path = { leaf, intermediates: [issuing], roots: [root], at: Date.now(), purpose: "serverAuth" as const };
    const judged = (crls: readonly Uint8Array[]) => opensslVerify({ ...path, crls, leafOnly: true, useDeltas: true });
    const [held, lifted] = [await file("held"), await file("delta")];
    expect(judged([held])).toMatchObject({ isAccepted: false, output: expect.stringContaining("revoked") });
    expect(judged([held, lifted])).toMatchObject({ isAccepted: true });
  });
});
