import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openKeyProvider } from "@fleetcert/hw";
import type { OpenKeyProvider, ProviderKey } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openLevelStore } from "../../../agent/src/adapters/disk/level-store.ts";
import { formatKeyLabel } from "../../../agent/src/renewal/key-label.ts";
import { slotKey } from "../../../agent/src/renewal/runner.ts";
import { emptySlot, type Journal } from "../../../agent/src/renewal/slot-state.ts";
import { encodeSlotState } from "../../../agent/src/renewal/slot-state-codec.ts";
import { putTwin } from "../../../agent/src/twin/twin-record.ts";
import { runAgentCommand } from "../../support/agent/agent-command.ts";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { testPki } from "../../support/pki/test-pki.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([softHsmPart, tlsAddonPart], "fleetcert-agent keys", () => {
  const hsm = startSoftHsm();
  const token = hsm.createToken("keys; №1");
  let data: string;
  let keys: OpenKeyProvider;
  let current: ProviderKey;
  const label = (generation: number) => formatKeyLabel({ device: "pump-1", slot: "identity", generation });

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "fleetcert-keys-"));
    const pinFile = join(data, "pin");
    await writeFile(pinFile, `${token.pin.reveal()}\n`, { mode: 0o600 });
    const settings = { provider: "pkcs11", module: hsm.modulePath, token: token.tokenLabel, pinFile };
    await writeFile(
      join(data, "config.yaml"),
      JSON.stringify({ device: "pump-1", controller: { host: "c" }, keys: settings }),
    );
    const { modulePath } = hsm;
    keys = await openKeyProvider({ kind: "pkcs11", modulePath, tokenLabel: token.tokenLabel, pin: () => token.pin });
    current = await keys.generate({ algorithm: "P-256", label: label(2) });
    await setJournal({ at: "idle" });
  });

  afterAll(async () => {
    await keys.close();
    hsm.remove();
    await rm(data, { recursive: true, force: true });
  });

  /** What the agent's files say, with the key above as the current one. */
  async function setJournal(journal: Journal): Promise<void> {
    const signer = { ...current, sign: (message: Uint8Array) => current.sign(message), privatePem: "" };
    const { certificate } = await (await testPki()).issueLeaf({ signer });
    const { der, notBefore, notAfter } = certificate;
    const { ref, id } = current;
    const credential = { generation: 2, key: { ref, id }, certificate: der, chain: [], notBefore, notAfter };
    const store = await openLevelStore(join(data, "state"));
    const identity = { fleet: "plant-7", device: "pump-1", rootSha256: "ab".repeat(32) };
    await store.write([
      ...putTwin("device", Buffer.from(JSON.stringify(identity))),
      ...putTwin(slotKey("identity"), encodeSlotState({ ...emptySlot, current: credential, journal })),
    ]);
    await store.close();
  }

  async function run(...args: string[]) {
    const outcome = await runAgentCommand(data, ["keys", ...args]);
    expect(outcome.stdout + outcome.stderr).not.toContain(token.pin.reveal());
    return outcome;
  }

  const inToken = async (): Promise<string[]> => (await keys.list("")).map(({ label }) => label).sort();

  it("list shows the token, its kinds of keys, and what each key is needed by", async () => {
    const stray = await keys.generate({ algorithm: "P-256", label: label(1) });
    const foreign = await keys.generate({ algorithm: "RSA-2048", label: "vpn" });
    const { code, stdout } = await run("list");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^store +pkcs11, token "keys; №1" \(SoftHSM project SoftHSM v2\), serial [0-9a-f]+\n/);
    expect(stdout).toMatch(/makes +P-256, P-384, RSA-2048/);
    expect(stdout).toMatch(new RegExp(`${current.id.slice(0, 16)}….* P-256 +identity, current +this agent`));
    const { keys: listed } = JSON.parse((await run("list", "--json")).stdout) as { keys: { id: string }[] };
    expect(listed).toContainEqual({
      ...{ id: stray.id, ref: stray.ref, label: label(1), algorithm: "P-256" },
      ...{ usedBy: "", owner: "this agent" },
    });
    expect(listed).toContainEqual(expect.objectContaining({ id: foreign.id, owner: "other software" }));
    await keys.destroy(stray.ref);
    await keys.destroy(foreign.ref);
  });

  it("show tells one key, by id, beginning or label, with a public key OpenSSL reads", async () => {
    for (const name of [current.id, current.id.slice(0, 8), current.ref, label(2)]) {
      expect((await run("show", name)).stdout).toContain("-----BEGIN PUBLIC KEY-----".slice(0, 10));
      const shown = JSON.parse((await run("show", name, "--json")).stdout) as object;
      expect(shown).toMatchObject({ id: current.id, usedBy: "identity, current", protection: "token", fault: "" });
    }
    expect(await run("show", "nobody")).toMatchObject({ code: 10, stderr: expect.stringContaining("key-not-found") });
  });

  it("create makes a key for other software, and none that the agent would collect", async () => {
    const made = await run("create", "--label", "vpn", "--algorithm", "P-384", "--json");
    expect(JSON.parse(made.stdout)).toMatchObject({ label: "vpn", algorithm: "P-384" });
    expect((await run("create", "--label", "vpn")).stderr).toContain("already-exists");
    expect(await run("create", "--label", label(3))).toMatchObject({ code: 2 });
    expect(await inToken()).toEqual([label(2), "vpn"].sort());
  });

  it("delete shows before it destroys, and destroys nothing that is needed or another's", async () => {
    const stray = await keys.generate({ algorithm: "P-256", label: label(1) });
    const all = await inToken();
    expect(await run("delete")).toMatchObject({ code: 0, stderr: expect.stringContaining("nothing was destroyed") });
    expect(await run("delete", current.id, "--yes")).toMatchObject({
      code: 6,
      stderr: expect.stringContaining("is needed"),
    });
    expect(await run("delete", stray.id, "vpn", "--yes")).toMatchObject({ code: 4 });
    expect(await inToken()).toEqual(all);
    const { stdout } = await run("delete", "--yes", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ isDryRun: false, keys: [{ id: stray.id }] });
    expect(await inToken()).toEqual([label(2), "vpn"].sort());
    expect(await run("delete", "vpn", "--foreign", "--yes")).toMatchObject({ code: 0 });
    expect(await inToken()).toEqual([label(2)]);
  });

  it("delete waits for a rotation to end", async () => {
    await setJournal({ at: "intended", generation: 3 });
    const pending = await keys.generate({ algorithm: "P-256", label: label(3) });
    expect(await run("delete", "--yes")).toMatchObject({ code: 6, stderr: expect.stringContaining("rotation") });
    expect(await inToken()).toContain(label(3));
    await keys.destroy(pending.ref);
    await setJournal({ at: "idle" });
  });

  it("test signs with what is needed, or with a new key of each kind that it destroys again", async () => {
    const needed = JSON.parse((await run("test", "--json")).stdout) as object[];
    expect(needed).toEqual([
      expect.objectContaining({ id: current.id, signMs: expect.any(Number), tlsMs: expect.any(Number), error: "" }),
    ]);
    const fresh = await run("test", "--new");
    expect(fresh.code).toBe(0);
    for (const algorithm of ["P-256", "P-384", "RSA-2048", "RSA-3072"]) expect(fresh.stdout).toContain(algorithm);
    expect(await inToken()).toEqual([label(2)]);
    const { ref } = await keys.generate({ algorithm: "P-256", label: label(1) });
    expect(await run("test", label(1))).toMatchObject({ code: 0 });
    await keys.destroy(ref);
    expect(await run("test", label(1))).toMatchObject({ code: 10 });
  });

  it("doctor says what is wrong: two keys left over, the current one gone, a PIN that is refused", async () => {
    expect(await run("doctor")).toMatchObject({ code: 0, stdout: expect.stringContaining("signs in") });
    const left = [label(1), label(1)].map((name) => keys.generate({ algorithm: "P-256", label: name }));
    const strays = await Promise.all(left);
    expect(await run("doctor")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("fleetcert-agent keys delete"),
    });
    for (const { ref } of strays) await keys.destroy(ref);
    await writeFile(join(data, "pin"), "wrong\n", { mode: 0o600 });
    expect(await run("doctor")).toMatchObject({ code: 1, stdout: expect.stringContaining("known to be wrong") });
    await writeFile(join(data, "pin"), token.pin.reveal(), { mode: 0o600 });
  });
});
