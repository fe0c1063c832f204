import { execFile } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initController, startController } from "@fleetcert/controller";
import { type ErrorCode, exitCodes, sha256Hex } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorWithHint } from "../../support/attackers/attacker-verdict.ts";
import { keepListsBelow } from "../../support/revocation/made-lists.ts";

const listener = { host: "127.0.0.1", port: 0 };
const listeners = { operational: listener, bootstrap: listener, http: listener, api: listener };
let parent: string;
/** A controller that has run once; each case spoils a copy. */
let base: string;
let copies = 0;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "fleetcert-spoilt-"));
  base = join(parent, "base");
  await initController({
    data: base,
    fleet: "plant",
    hosts: ["127.0.0.1"],
    rootPassphrase: undefined,
    settings: { listeners },
  });
  await (await startController({ data: base, logLevel: "silent" })).stop();
});
afterAll(() => {
  keepListsBelow(base);
  return rm(parent, { recursive: true, force: true });
});

async function aCopy(): Promise<string> {
  copies += 1;
  const data = join(parent, `copy-${copies}`);
  await cp(base, data, { recursive: true });
  return data;
}

/** Every file that is not about the running process, and what it holds. */
async function contentOf(data: string): Promise<Record<string, string>> {
  const entries = await readdir(data, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const kept = files.filter((file) => !/[/]run[/]|store\.db-/.test(file)).sort();
  return Object.fromEntries(await Promise.all(kept.map(async (file) => [file, sha256Hex(await readFile(file))])));
}

const append = (text: string) => async (file: string) => writeFile(file, `${await readFile(file, "utf8")}\n${text}\n`);
const replace = (text: string) => (file: string) => writeFile(file, text);
const cut = (file: string) => truncate(file, 20);
const remove = (file: string) => rm(file);

const spoilt: readonly (readonly [string, string, (file: string) => Promise<unknown>, ErrorCode])[] = [
  ["an unknown setting", "config.yaml", append("surprise: 1"), "config-invalid"],
  ["an unknown setting in a section", "config.yaml", append("bounds:\n  revokeAlon: 5"), "config-invalid"],
  ["a setting of another type", "config.yaml", append("graceAfterProof: 5"), "config-invalid"],
  ["the same setting twice", "config.yaml", append("fleet: other"), "config-invalid"],
  ["no YAML at all", "config.yaml", replace("fleet: [plant\n\t}"), "config-invalid"],
  ["YAML that unfolds without end", "config.yaml", replace(aliasBomb()), "config-invalid"],
  ["octets that are no text", "config.yaml", replace("\u0000\u0001fleet: plant"), "config-invalid"],
  ["an unknown setting of a profile", "profiles.yaml", append("  other:\n    validty: 3d"), "config-invalid"],
  ["a profile with no name of one", "profiles.yaml", append('  "../x":\n    validity: 3d'), "config-invalid"],
  ["an unknown key algorithm", "profiles.yaml", append("  other:\n    keyAlgorithms: [P-224]"), "config-invalid"],
  ["the wrong passphrase", "secrets/keystore-passphrase", replace("not this one\n"), "key-store-unavailable"],
  ["an empty passphrase", "secrets/keystore-passphrase", replace(""), "data-directory"],
  ["no passphrase", "secrets/keystore-passphrase", remove, "data-directory"],
  ["no store", "store.db", remove, "data-directory"],
  ["an empty store", "store.db", replace(""), "store-corrupt"],
  ["a store that is something else", "store.db", replace("x".repeat(10_000)), "store-corrupt"],
  ["no anchor", "anchor.json", remove, "data-directory"],
  ["an anchor that is cut off", "anchor.json", cut, "store-corrupt"],
  ["no trust bundle", "trust/bundle-1.bin", remove, "data-directory"],
  ["a trust bundle that is cut off", "trust/bundle-1.bin", cut, "data-directory"],
  ["no issuing CA", "ca/issuing.pem", remove, "data-directory"],
  ["an issuing CA that is cut off", "ca/issuing.pem", cut, "data-directory"],
  ["references that are cut off", "ca/ca.json", cut, "data-directory"],
  ["no references", "ca/ca.json", replace("{}"), "data-directory"],
  ["a mark of an init that did not end", "init-in-progress", replace(""), "data-directory"],
];

describe("a data directory with", () => {
  it.each(spoilt)("%s (%s) is named, and nothing in it changes", async (_what, name, spoil, code) => {
    const data = await aCopy();
    await spoil(join(data, name));
    const before = await contentOf(data);
    const error = await startController({ data, logLevel: "silent" }).then(
      async (controller) => controller.stop().then(() => "started"),
      (reason: unknown) => reason,
    );
    expect(error).toEqual(errorWithHint(code));
    expect(await contentOf(data)).toEqual(before);
    await rm(join(data, name), { force: true });
    await cp(join(base, name), join(data, name)).catch(() => undefined);
    await (await startController({ data, logLevel: "silent" })).stop();
  });

  it("a controller that runs is not opened again, and stays reachable", async () => {
    const data = await aCopy();
    const first = await startController({ data, logLevel: "silent" });
    const endpoints = await readFile(join(data, "run", "endpoints.json"), "utf8");
    await expect(startController({ data, logLevel: "silent" })).rejects.toEqual(errorWithHint("conflict"));
    expect(await readFile(join(data, "run", "endpoints.json"), "utf8")).toBe(endpoints);
    const claim = await fleetcert("--data", data, "claim", "create", "--uses", "1", "--valid-for", "1h", "--json");
    expect(claim).toMatchObject({ code: 0, stdout: expect.stringContaining("fc1.") });
    await first.stop();
  });
});

describe("fleetcert on the command line", () => {
  it("says what is wrong, what to do and which code it is, and exits as its page says", async () => {
    const data = await aCopy();
    await append("surprise: 1")(join(data, "config.yaml"));
    const { code, stderr, stdout } = await fleetcert("serve", "--data", data, "--json");
    expect(code).toBe(exitCodes.config);
    expect(stdout).toBe("");
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "config-invalid", message: expect.stringContaining("surprise"), hint: expect.any(String) },
    });
  });

  it("names a directory it may not read, makes none, and never overwrites one", async () => {
    const data = await aCopy();
    await chmod(data, 0o000);
    const unreadable = await fleetcert("serve", "--data", data, "--json");
    expect(unreadable).toMatchObject(failure("data-directory", exitCodes.config));
    await chmod(data, 0o700);
    const before = await contentOf(data);
    const again = await fleetcert("init", "--data", data, "--fleet", "plant", "--json");
    expect(again).toMatchObject(failure("already-exists", exitCodes.conflict));
    expect(await contentOf(data)).toEqual(before);

    const below = await fleetcert("serve", "--data", join(data, "config.yaml", "x"), "--json");
    expect(below).toMatchObject(failure("data-directory", exitCodes.config));
    const absent = join(parent, "absent");
    expect(await fleetcert("serve", "--data", absent, "--json")).toMatchObject(
      failure("data-directory", exitCodes.config),
    );
    const name = await fleetcert("init", "--data", absent, "--fleet", "../plant", "--json");
    expect(name).toMatchObject(failure("config-invalid", exitCodes.config));
    await expect(readdir(absent)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("renews trust with the controller running and without it, and both leave their entry in the audit", async () => {
    const data = await aCopy();
    const controller = await startController({ data, logLevel: "silent" });
    const live = await fleetcert("--data", data, "trust", "renew", "--json");
    expect([live.code, JSON.parse(live.stdout).version]).toEqual([0, 2]);
    expect(controller.duties.trust.current().version).toBe(2);
    await controller.stop();
    const alone = await fleetcert("--data", data, "trust", "renew", "--json");
    expect([alone.code, JSON.parse(alone.stdout).version]).toEqual([0, 3]);
    const begun = await fleetcert("--data", data, "trust", "renew", "--new-era", "--json");
    expect(JSON.parse(begun.stdout)).toMatchObject({ era: 2, version: 4 });
    const again = await startController({ data, logLevel: "silent" });
    const actor = { name: "local", role: "admin" } as const;
    expect(again.duties.trust.current()).toMatchObject({ era: 2, version: 4 });
    expect(await again.operations.audit.verify(actor)).toMatchObject({ ok: true });
    const published = (await again.operations.audit.list(actor, { limit: 1000 })).filter(
      ({ action }) => action === "trust.published",
    );
    expect(published).toHaveLength(4);
    await again.stop();
    await replace("wrong\n")(join(data, "secrets", "root-passphrase"));
    const wrong = await fleetcert("--data", data, "trust", "renew", "--json");
    expect(wrong).toMatchObject(failure("key-store-unavailable", exitCodes.hardware));
  });
});

describe("fleetcert-agent on the command line", () => {
  it.each<[string, string, string, ErrorCode, number]>([
    ["an unknown setting", "config.yaml", "surprise: 1\n", "config-invalid", exitCodes.config],
    ["an unknown setting in a section", "config.yaml", "pace:\n  fast: 1s\n", "config-invalid", exitCodes.config],
    ["YAML that unfolds without end", "config.yaml", aliasBomb(), "config-invalid", exitCodes.config],
    ["a claim that is none", "claim", "fc1.not.a.claim\n", "claim-malformed", exitCodes.usage],
    ["no claim", "other", "", "config-invalid", exitCodes.config],
  ])("names %s, and changes no word of it", async (_what, name, text, code, exit) => {
    copies += 1;
    const data = join(parent, `agent-${copies}`);
    await mkdir(data);
    await writeFile(join(data, name), text);
    const args = ["--controller", "127.0.0.1:1", "--claim-file", join(data, "claim"), "--device-id", "edge-1"];
    const result = await agent("enrol", "--data", data, "--json", ...args, "--timeout", "1s");
    expect(result).toMatchObject(failure(code, exit));
    expect(await readFile(join(data, name), "utf8")).toBe(text);
    expect(result.stderr).not.toContain("not.a.claim");
  });

  it("names a directory it may not read", async () => {
    const data = join(parent, "agent-unreadable");
    await mkdir(data);
    await writeFile(join(data, "config.yaml"), "device: edge-1\n");
    await chmod(data, 0o000);
    expect(await agent("status", "--data", data, "--json")).toMatchObject(failure("data-directory", exitCodes.config));
    expect(await agent("run", "--data", data, "--json")).toMatchObject(failure("data-directory", exitCodes.config));
    await chmod(data, 0o700);
  });
});

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const failure = (code: ErrorCode, exit: number): object => ({
  code: exit,
  stdout: "",
  stderr: expect.stringMatching(new RegExp(`"code":"${code}".*"hint":"[^"]`)),
});

const fleetcert = (...args: string[]): Promise<Result> => program("../../../controller/src/main.ts", args);
const agent = (...args: string[]): Promise<Result> => program("../../../agent/src/main.ts", args);

/** Runs a program as somebody whom file modes hold back: root is only without its capabilities. */
function program(main: string, args: readonly string[]): Promise<Result> {
  const own = [process.execPath, "--disable-warning=ExperimentalWarning", join(import.meta.dirname, main), ...args];
  const [file = "", ...rest] =
    process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all", ...own] : own;
  return new Promise((resolve) => {
    execFile(file, rest, { timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
  });
}

/** Nine levels of nine aliases: 400 million entries when unfolded. */
function aliasBomb(): string {
  const levels = Array.from({ length: 9 }, (_, at) => {
    const names = Array.from({ length: 9 }, () => (at === 0 ? "x" : `*a${at - 1}`));
    return `a${at}: &a${at} [${names.join(", ")}]`;
  });
  return `${levels.join("\n")}\n`;
}
