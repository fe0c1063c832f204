import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { OpenKeyProvider, SecretSource } from "@fleetcert/shared";
import { afterAll, describe, expect, it, vi } from "vitest";
import { openKeyProvider } from "../../../hw/src/open-key-provider.ts";
import { ck } from "../../../hw/src/pkcs11/constants.ts";
import { type Cryptoki, loadCryptoki } from "../../../hw/src/pkcs11/cryptoki.ts";
import { requireToken } from "../../../hw/src/pkcs11/find-token.ts";
import { parsePkcs11Uri } from "../../../hw/src/pkcs11/uri.ts";
import { keyProviderContract } from "../../contracts/key-provider.ts";
import { type SoftHsm, softHsmPart, startSoftHsm, type TestToken } from "../../support/keys/softhsm.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([softHsmPart], "pkcs11 on SoftHSM2", () => {
  const hsm = startSoftHsm();
  const { modulePath } = hsm;
  const token = hsm.createToken("Fleet token; №1");
  const cryptoki = loadCryptoki(modulePath);
  afterAll(() => hsm.remove());
  const open = (at: TestToken = token, pin: SecretSource = () => at.pin): Promise<OpenKeyProvider> =>
    openKeyProvider({ kind: "pkcs11", modulePath, tokenLabel: at.tokenLabel, pin });

  keyProviderContract("pkcs11", open, {
    algorithms: ["P-256", "P-384", "RSA-2048", "Ed25519"],
    absentRef: () => "pkcs11:id=%01%02;type=private",
  });

  describe("keys", () => {
    it("have a URI that names token, id and label, and no PIN", async () => {
      const provider = await open();
      const key = await provider.generate({ algorithm: "P-256", label: "identity/7" });
      expect(parsePkcs11Uri(key.ref)).toEqual({
        token: token.tokenLabel,
        id: new Uint8Array(Buffer.from(key.id, "hex")),
        object: "identity/7",
        type: "private",
        modulePath,
      });
      expect(key.ref).not.toContain(token.pin.reveal());
      await provider.close();
    });

    it("are seen by another program as sensitive, never extractable, local, and made only to sign", async () => {
      const other = hsm.createToken();
      const provider = await open(other);
      const key = await provider.generate({ algorithm: "RSA-2048", label: "seen" });
      const listed = pkcs11Tool(hsm, other, ["--list-objects", "--type", "privkey"]);
      expect(listed).toContain(key.id);
      expect(listed).toMatch(/Access: +sensitive, always sensitive, never extractable, local/);
      expect(listed).toMatch(/Usage: +sign\n/);
      await provider.close();
    });

    it("carry the same CKA_ID and label on both halves", async () => {
      const provider = await open();
      const key = await provider.generate({ algorithm: "P-256", label: "both" });
      const session = cryptoki.C_OpenSession(
        requireToken(cryptoki, { token: token.tokenLabel }).slot,
        ck.CKF_SERIAL_SESSION,
      );
      cryptoki.C_FindObjectsInit(session, [{ type: ck.CKA_ID, value: Buffer.from(key.id, "hex") }]);
      const objects = cryptoki.C_FindObjects(session, 10);
      cryptoki.C_FindObjectsFinal(session);
      const described = objects.map((object) => {
        const wanted = [{ type: ck.CKA_CLASS }, { type: ck.CKA_LABEL }];
        const [objectClass, label] = cryptoki.C_GetAttributeValue(session, object, wanted);
        return [objectClass?.value[0], label?.value.toString()];
      });
      cryptoki.C_CloseSession(session);
      expect(described.sort()).toEqual([
        [ck.CKO_PUBLIC_KEY, "both"],
        [ck.CKO_PRIVATE_KEY, "both"],
      ]);
      await provider.close();
    });

    it("are destroyed when the token says they are extractable, and the error names the attribute", async () => {
      const provider = await open();
      const lie = lyingAbout(cryptoki, ck.CKA_EXTRACTABLE, Buffer.of(1));
      await expect(provider.generate({ algorithm: "P-256", label: "lie" })).rejects.toMatchObject({
        code: "key-attributes-wrong",
        message: expect.stringContaining("CKA_EXTRACTABLE is not false"),
      });
      lie.mockRestore();
      expect(await provider.list("lie")).toEqual([]);
      await provider.close();
    });

    it("are not opened when their protection is not what it was", async () => {
      const provider = await open();
      const key = await provider.generate({ algorithm: "P-256", label: "later lie" });
      const lie = lyingAbout(cryptoki, ck.CKA_SENSITIVE, Buffer.of(0));
      await expect(provider.open(key.ref)).rejects.toMatchObject({ code: "key-attributes-wrong" });
      lie.mockRestore();
      await expect(provider.open(key.ref)).resolves.toMatchObject({ id: key.id });
      await provider.close();
    });

    it("are never asked for their private value", async () => {
      const asked = new Set<number>();
      const original = cryptoki.C_GetAttributeValue;
      const spy = vi.spyOn(cryptoki, "C_GetAttributeValue").mockImplementation((session, object, template) => {
        for (const { type } of template) asked.add(type);
        return original.call(cryptoki, session, object, template);
      });
      const wrap = vi.spyOn(cryptoki, "C_WrapKey");
      const provider = await open();
      const key = await provider.generate({ algorithm: "RSA-2048", label: "asked" });
      await (await provider.open(key.ref)).sign(Buffer.from("x"));
      await provider.list("");
      await provider.destroy(key.ref);
      await provider.close();
      spy.mockRestore();
      expect(wrap).not.toHaveBeenCalled();
      wrap.mockRestore();
      // CKA_VALUE, and the private exponent, primes, exponents and coefficient of RSA.
      for (const secret of [0x11, 0x123, 0x124, 0x125, 0x126, 0x127, 0x128]) expect(asked).not.toContain(secret);
    });

    it("that a power cut left without their final id are listed, cannot be opened, and can be destroyed", async () => {
      const provider = await open();
      const cut = vi.spyOn(cryptoki, "C_SetAttributeValue").mockImplementation(fail("power cut"));
      const noClean = vi.spyOn(cryptoki, "C_DestroyObject").mockImplementation(fail("power cut"));
      await expect(provider.generate({ algorithm: "P-256", label: "cut/1" })).rejects.toThrow("power cut");
      cut.mockRestore();
      noClean.mockRestore();
      const [left, ...more] = await provider.list("cut/");
      expect(more).toEqual([]);
      const { ref = "" } = left ?? {};
      await expect(provider.open(ref)).rejects.toMatchObject({ code: "key-attributes-wrong" });
      await provider.destroy(ref);
      expect(await provider.list("cut/")).toEqual([]);
      await provider.close();
    });

    it.each(["P-256", "RSA-2048"] as const)("sign %s 200 times at once beside key generation", async (algorithm) => {
      const provider = await open();
      const key = await provider.generate({ algorithm, label: "busy" });
      const work = Array.from({ length: 200 }, (_, index) => key.sign(Buffer.from(`${index}`)));
      const [made] = await Promise.all([provider.generate({ algorithm: "P-256", label: "busy" }), ...work]);
      expect(made.id).not.toBe(key.id);
      await provider.close();
    });
  });

  describe("a reference", () => {
    it.each(["pkcs11:object=x", "pkcs11:id=%01;type=cert", "pkcs11:id=%0", "software:00"])(
      "%s is refused",
      async (ref) => {
        const provider = await open();
        await expect(provider.open(ref)).rejects.toMatchObject({ code: "request-invalid" });
        await provider.close();
      },
    );

    it("to another token is not found, though a key here has that id", async () => {
      const provider = await open();
      const key = await provider.generate({ algorithm: "P-256", label: "x" });
      const elsewhere = key.ref.replace(/token=[^;]*/, "token=elsewhere");
      await expect(provider.open(elsewhere)).rejects.toMatchObject({ code: "key-not-found" });
      await provider.close();
    });
  });

  it("writes no PIN and no private key in clear into the store", async () => {
    const own = hsm.createToken();
    const provider = await open(own);
    await provider.generate({ algorithm: "P-256", label: "store" });
    await provider.close();
    for (const entry of readdirSync(hsm.directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const bytes = readFileSync(join(entry.parentPath, entry.name)).toString("latin1");
      for (const secret of [own.pin.reveal(), own.soPin.reveal(), "PRIVATE KEY"]) expect(bytes).not.toContain(secret);
    }
  });
});

function fail(result: string): () => never {
  return () => {
    throw new Error(result);
  };
}

function lyingAbout(cryptoki: Cryptoki, attribute: number, value: Buffer) {
  const original = cryptoki.C_GetAttributeValue;
  return vi.spyOn(cryptoki, "C_GetAttributeValue").mockImplementation((session, object, template) => {
    const answer = original.call(cryptoki, session, object, template);
    return answer.map((item) => (item.type === attribute ? { ...item, value } : item));
  });
}

function pkcs11Tool(hsm: SoftHsm, token: TestToken, args: readonly string[]): string {
  const login = ["--module", hsm.modulePath, "--token-label", token.tokenLabel, "--login", "--pin", "env:TEST_PIN"];
  const env = { ...process.env, ...hsm.env, TEST_PIN: token.pin.reveal() };
  return execFileSync("pkcs11-tool", [...login, ...args], { env, stdio: ["ignore", "pipe", "ignore"] }).toString();
}
