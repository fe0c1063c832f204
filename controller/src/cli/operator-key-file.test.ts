import { execFileSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCsr } from "@fleetcert/shared";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Operations } from "../access/operations.ts";
import { readOperatorKey } from "./operator-key-file.ts";
import { runProgram } from "./program.ts";

let folder: string;
const asked: Uint8Array[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fleetcert-operator-"));
  asked.length = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const inFolder = (name: string) => join(folder, name);

describe("a person's private key", () => {
  it("stands in its file encrypted only, and is read back by the passphrase beside it", async () => {
    expect(await run("create", "alice", "--role", "viewer")).toBe(0);
    const pem = await readFile(inFolder("alice.key.pem"), "utf8");
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    for (const name of ["alice.key.pem", "alice.passphrase"]) {
      expect((await stat(inFolder(name))).mode & 0o777).toBe(0o600);
    }
    const opened = await readOperatorKey(inFolder("alice.key.pem"), undefined);
    const shown = execFileSync("openssl", [
      "pkey",
      "-in",
      inFolder("alice.key.pem"),
      "-pubout",
      "-passin",
      `file:${inFolder("alice.passphrase")}`,
    ]);
    const certified = Buffer.from(parseCsr(asked[0] ?? new Uint8Array()).spki);
    for (const key of [opened, shown]) {
      expect(createPublicKey(key).export({ type: "spki", format: "der" }).equals(certified)).toBe(true);
    }
  });

  it("takes the passphrase of a file, and is renewed under it", async () => {
    await writeFile(inFolder("words"), "correct horse\n", { mode: 0o600 });
    const words = ["--passphrase-file", inFolder("words")];
    expect(await run("create", "bob", "--role", "viewer", ...words)).toBe(0);
    await expect(stat(inFolder("bob.passphrase"))).rejects.toMatchObject({ code: "ENOENT" });
    const first = await readOperatorKey(inFolder("bob.key.pem"), inFolder("words"));
    expect(await run("renew", "bob", ...words)).toBe(0);
    expect(await readOperatorKey(inFolder("bob.key.pem"), inFolder("words"))).not.toBe(first);
  });

  it("is not opened by another passphrase, nor by none", async () => {
    expect(await run("create", "carol", "--role", "viewer")).toBe(0);
    await writeFile(inFolder("wrong"), "not this\n");
    const key = inFolder("carol.key.pem");
    await expect(readOperatorKey(key, inFolder("wrong"))).rejects.toMatchObject({ code: "key-store-unavailable" });
    await rm(inFolder("carol.passphrase"));
    await expect(readOperatorKey(key, undefined)).rejects.toMatchObject({
      code: "usage",
      hint: expect.stringContaining("--key-passphrase"),
    });
  });
});

/** Runs `operator …` against a controller that certifies nothing but remembers what it was asked. */
function run(...args: string[]): Promise<number> {
  const certify = async (_actor: unknown, { name, csr }: { readonly name: string; readonly csr: Uint8Array }) => {
    asked.push(csr);
    return { operator: { name, person: name, role: "viewer", notAfter: 0 }, certificate: new Uint8Array(), chain: [] };
  };
  const operations = { operators: { create: certify, renew: certify } } as unknown as Operations;
  return runProgram(["operator", ...args, "--out", folder], {
    stdout: () => undefined,
    stderr: () => undefined,
    isInteractive: false,
    confirm: async () => false,
    now: () => 0,
    connect: async () => operations,
  });
}
