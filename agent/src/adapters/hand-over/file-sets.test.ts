import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TrustBundle } from "@fleetcert/proto";
import { sha256Hex } from "@fleetcert/shared";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryKeyProvider } from "../../../../test/support/keys/memory-key-provider.ts";
import type { Material } from "../../deployment/service-actions.ts";
import { openFileSets } from "./file-sets.ts";
import type { SetOutput } from "./render-output.ts";

let directory: string;
const keys = memoryKeyProvider();
const trust = { issuers: [Uint8Array.of(7)], roots: [Uint8Array.of(8)] } as unknown as TrustBundle;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "fc-sets-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function material(generation: number, changes: Partial<Material> = {}): Promise<Material> {
  const key = await keys.generate({ algorithm: "P-256", label: `k${generation}` });
  const certificate = Uint8Array.of(generation);
  const record = { generation, key: { ref: key.ref, id: key.id }, certificate, notBefore: 0, notAfter: 1 };
  return { credential: { ...record, chain: [Uint8Array.of(7), Uint8Array.of(8)] }, key, trust, ...changes };
}

const output = (kind: SetOutput["kind"], name: string, mode = 0o644): SetOutput => ({
  ...{ kind, mode, owner: "", group: "", passphraseFile: "" },
  file: join(directory, name),
});
const open = () =>
  openFileSets({
    directory,
    outputs: [output("chain", "chain.pem"), output("key", "key.pem", 0o600), output("trust", "ca.pem")],
  });
const read = (name: string) => readFile(join(directory, name), "utf8");
const sets = async () => (await readdir(join(directory, "sets"))).toSorted();

describe("the files of a service", () => {
  it("are switched as a whole, with their modes, and the same again changes nothing", async () => {
    const files = open();
    const first = await material(1);
    expect(await files.install(first)).toBe(true);
    expect(await files.install(first)).toBe(false);
    expect(await read("chain.pem")).toBe(await read("current/chain.pem"));
    expect(await read("chain.pem")).not.toContain("CAg="); // The root is left to the clients.
    expect(await read("key.pem")).toBe(first.key.tlsKey());
    expect((await stat(join(directory, "key.pem"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, "ca.pem"))).mode & 0o777).toBe(0o644);
    expect(await read("ca.pem")).toContain("CA==");
    await files.install(await material(2));
    expect(await sets()).toHaveLength(2);
    expect(await readlink(join(directory, "current"))).toMatch(/^sets\/2-/);
  });

  it("of before the first set come back as they were", async () => {
    await writeFile(join(directory, "chain.pem"), "before", { mode: 0o640 });
    const files = open();
    await files.install(await material(1));
    expect(await read("chain.pem")).not.toBe("before");
    expect(await files.restore(undefined)).toBe(true);
    expect(await read("chain.pem")).toBe("before");
    expect((await stat(join(directory, "chain.pem"))).mode & 0o777).toBe(0o640);
    await expect(read("key.pem")).rejects.toThrow("ENOENT");
  });

  it("stay when there was nothing before the first set to go back to", async () => {
    const files = open();
    const first = await material(1);
    await files.install(first);
    expect(await files.restore(undefined)).toBe(false);
    expect(await read("key.pem")).toBe(first.key.tlsKey());
  });

  it("of the set before are kept, and forgotten only with their key, never while in force", async () => {
    const files = open();
    const [first, second] = [await material(1), await material(2)];
    await files.install(first);
    await files.install(second);
    expect(await files.restore(first.credential.key)).toBe(true);
    expect(await read("key.pem")).toBe(first.key.tlsKey());
    await files.forget(first.credential.key);
    expect(await read("key.pem")).toBe(first.key.tlsKey());
    await files.install(second);
    await files.forget(first.credential.key);
    expect(await sets()).toHaveLength(1);
    expect(await files.restore(first.credential.key)).toBe(false);
  });

  it("follow the trust bundle, with one set for each key", async () => {
    const files = open();
    const first = await material(1);
    await files.install(first);
    const other = { ...trust, roots: [Uint8Array.of(9)] } as TrustBundle;
    expect(await files.install({ ...first, trust: other })).toBe(true);
    expect(await read("ca.pem")).toContain("CQ==");
    expect(await sets()).toHaveLength(1);
  });

  it("are taken up where a power cut left them: a half written set is never in force", async () => {
    const files = open();
    const first = await material(1);
    await files.install(first);
    const name = (await sets())[0] ?? "";
    await rm(join(directory, "chain.pem"));
    await writeFile(join(directory, "sets", ".2-half.new"), "");
    await files.install(first);
    expect(await read("chain.pem")).toBe(await readFile(join(directory, "sets", name, "chain.pem"), "utf8"));
  });

  it("lose every private key that was written, and nothing else that the service reads, when the device is retired", async () => {
    const files = open();
    await files.install(await material(1));
    const second = await material(2);
    await files.install(second);
    await mkdir(join(directory, "sets", ".3-half.new"));
    await writeFile(join(directory, "sets", ".3-half.new", "key.pem"), second.key.tlsKey());
    // An output the configuration names no more.
    await writeFile(join(directory, "current", "formerly.pem"), second.key.tlsKey());
    await files.erase();
    const left = await readdir(directory, { recursive: true });
    expect(left.filter((name) => name.includes("key.pem") || name.includes("formerly"))).toEqual([]);
    expect(await sets()).toHaveLength(1);
    expect(await read("chain.pem")).toContain("BEGIN CERTIFICATE");
    expect(await read("ca.pem")).toContain("BEGIN CERTIFICATE");
    await files.erase();
  });

  it("of before the agent are left when the device is retired", async () => {
    await writeFile(join(directory, "key.pem"), "before");
    const files = open();
    await files.install(await material(1));
    await files.restore(undefined);
    await files.erase();
    expect(await read("key.pem")).toBe("before");
    expect(await sets()).toEqual(["original"]);
    await openFileSets({ directory: join(directory, "never-used"), outputs: [] }).erase();
  });

  it("say what is wrong and stay as they were when a new set cannot be written", async () => {
    const files = open();
    const first = await material(1);
    await files.install(first);
    const token = { ...(await material(2)), key: { ...first.key, protection: "token" } as Material["key"] };
    await expect(files.install(token)).rejects.toMatchObject({ code: "request-invalid" });
    expect(await read("key.pem")).toBe(first.key.tlsKey());
    const nobody = openFileSets({ directory, outputs: [{ ...output("chain", "chain.pem"), owner: "no-such-user" }] });
    await expect(nobody.install(await material(3))).rejects.toMatchObject({ code: "config-invalid" });
    expect(sha256Hex(await readFile(join(directory, "key.pem")))).toBe(
      sha256Hex(new TextEncoder().encode(first.key.tlsKey())),
    );
  });
});
