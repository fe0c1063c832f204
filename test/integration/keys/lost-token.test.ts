import type { OpenKeyProvider } from "@fleetcert/shared";
import { afterAll, describe, expect, it, vi } from "vitest";
import { openKeyProvider } from "../../../hw/src/open-key-provider.ts";
import { ck } from "../../../hw/src/pkcs11/constants.ts";
import { loadCryptoki } from "../../../hw/src/pkcs11/cryptoki.ts";
import { requireToken } from "../../../hw/src/pkcs11/find-token.ts";
import { processPinMemory } from "../../../hw/src/pkcs11/pin-memory.ts";
import { Token } from "../../../hw/src/pkcs11/token.ts";
import { softHsmPart, startSoftHsm, type TestToken } from "../../support/keys/softhsm.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([softHsmPart], "a token that fails", () => {
  const hsm = startSoftHsm();
  const { modulePath } = hsm;
  const token = hsm.createToken();
  const cryptoki = loadCryptoki(modulePath);
  afterAll(() => hsm.remove());
  const open = (at: TestToken = token): Promise<OpenKeyProvider> =>
    openKeyProvider({ kind: "pkcs11", modulePath, tokenLabel: at.tokenLabel, pin: () => at.pin });

  describe("a lost session", () => {
    const loseSessions = (at: TestToken): void =>
      cryptoki.C_CloseAllSessions(requireToken(cryptoki, { token: at.tokenLabel }).slot);

    it("is opened anew, and the key goes on signing", async () => {
      const reset = hsm.createToken();
      const provider = await open(reset);
      const other = await open(reset);
      const key = await provider.generate({ algorithm: "P-256", label: "survivor" });
      for (let round = 0; round < 3; round++) {
        loseSessions(reset);
        await expect(key.sign(Buffer.from("x"))).resolves.toBeInstanceOf(Uint8Array);
        loseSessions(reset);
        await expect(provider.list("survivor")).resolves.toHaveLength(1);
        loseSessions(reset);
        const all = Array.from({ length: 20 }, () => key.sign(Buffer.from("x")));
        await expect(Promise.all(all)).resolves.toHaveLength(20);
        const victim = await other.generate({ algorithm: "P-256", label: "victim" });
        loseSessions(reset);
        await provider.destroy(victim.ref);
        await expect(provider.list("victim")).resolves.toEqual([]);
      }
      await Promise.all([provider.close(), other.close()]);
    });

    it("is opened once per call: a token that loses it again gives a typed error that may be retried", async () => {
      const reset = hsm.createToken();
      const provider = await open(reset);
      const key = await provider.generate({ algorithm: "P-256", label: "unlucky" });
      const broken = vi.spyOn(cryptoki, "C_SignInit").mockImplementation(fail("CKR_SESSION_HANDLE_INVALID"));
      await expect(key.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "token-error", retry: true });
      expect(broken).toHaveBeenCalledTimes(2);
      broken.mockRestore();
      await expect(key.sign(Buffer.from("x"))).resolves.toBeInstanceOf(Uint8Array);
      await provider.close();
    });

    it("does not bring back a key another program destroyed: key-not-found", async () => {
      const provider = await open();
      const other = await open();
      const key = await provider.generate({ algorithm: "P-256", label: "gone" });
      await key.sign(Buffer.from("x"));
      await other.destroy(key.ref);
      await expect(key.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "key-not-found" });
      await provider.close();
      await other.close();
    });
  });

  describe("a token that was pulled", () => {
    it("is found again when it is back, and its keys sign without anybody's doing", async () => {
      const card = hsm.createToken();
      const provider = await open(card);
      const key = await provider.generate({ algorithm: "P-256", label: "pulled" });
      const isPulled = [
        vi.spyOn(cryptoki, "C_GetSlotList").mockImplementation(() => []),
        vi.spyOn(cryptoki, "C_SignInit").mockImplementation(fail("CKR_DEVICE_REMOVED")),
        vi.spyOn(cryptoki, "C_GetSessionInfo").mockImplementation(fail("CKR_DEVICE_REMOVED")),
      ];
      for (let tries = 0; tries < 5; tries++) {
        await expect(key.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "key-store-unavailable", retry: true });
      }
      const [list] = isPulled;
      const looks = list?.mock.calls.length;
      await expect(key.sign(Buffer.from("x"))).rejects.toMatchObject({ hint: expect.stringMatching(/again in \d+ s/) });
      expect(list?.mock.calls.length).toBe(looks);
      for (const spy of isPulled) spy.mockRestore();
      await vi.waitFor(async () => expect(await key.sign(Buffer.from("x"))).toBeInstanceOf(Uint8Array), 10_000);
      expect(await provider.list("pulled")).toHaveLength(1);
      await provider.close();
    });

    it("is looked for once more after the module was initialised anew, where nobody else uses that", async () => {
      const card = hsm.createToken();
      const provider = await open(card);
      const key = await provider.generate({ algorithm: "P-256", label: "server restarted" });
      const slots = cryptoki.C_GetSlotList;
      let isBlind = true;
      const list = vi
        .spyOn(cryptoki, "C_GetSlotList")
        .mockImplementation((...args) => (isBlind ? [] : slots.apply(cryptoki, args)));
      const finalize = cryptoki.C_Finalize;
      const end = vi.spyOn(cryptoki, "C_Finalize").mockImplementation(() => {
        isBlind = false;
        finalize.call(cryptoki);
      });
      vi.spyOn(cryptoki, "C_SignInit").mockImplementationOnce(fail("CKR_DEVICE_REMOVED"));
      await expect(key.sign(Buffer.from("x"))).resolves.toBeInstanceOf(Uint8Array);
      expect(end).toHaveBeenCalledTimes(1);
      list.mockRestore();
      end.mockRestore();
      await provider.close();
    });
  });

  it("that hangs is not waited for longer than it may take, and is used again when it answers", async () => {
    const slow = hsm.createToken();
    const at = await Token.acquire(cryptoki, { serial: slow.serial }, aLogin(slow));
    const answer = Promise.withResolvers<string>();
    await expect(at.run(() => answer.promise, { key: "a", patience: 20 })).rejects.toMatchObject({
      code: "timeout",
      retry: true,
    });
    answer.resolve("late");
    await expect(at.run(async () => "in time", { key: "a", patience: 1000 })).resolves.toBe("in time");
    await at.release();
  });

  describe("a key that is being made", () => {
    it.each(["CKR_GENERAL_ERROR", "CKR_DEVICE_REMOVED"])(
      "is made once though the token says %s after it made one",
      async (result) => {
        const card = hsm.createToken();
        const provider = await open(card);
        const make = cryptoki.C_GenerateKeyPairAsync;
        const spy = vi.spyOn(cryptoki, "C_GenerateKeyPairAsync").mockImplementationOnce(async (...args: unknown[]) => {
          await Reflect.apply(make, cryptoki, args);
          throw new Error(result);
        });
        const key = await provider.generate({ algorithm: "P-256", label: "once" });
        spy.mockRestore();
        expect((await provider.list("")).map(({ id }) => id)).toEqual([key.id]);
        await provider.close();
      },
    );

    it("is not asked of a token that makes none of its kind, and the error says what it makes", async () => {
      const card = hsm.createToken();
      const provider = await open(card);
      const info = cryptoki.C_GetMechanismInfo;
      const small = vi
        .spyOn(cryptoki, "C_GetMechanismInfo")
        .mockImplementation((slot, type) => ({ ...info.call(cryptoki, slot, type), maxKeySize: 224 + 1824 }));
      vi.spyOn(cryptoki, "C_GetMechanismList").mockImplementationOnce(() => [ck.CKM_RSA_PKCS_KEY_PAIR_GEN]);
      await expect(provider.generate({ algorithm: "P-256", label: "no" })).rejects.toMatchObject({
        code: "token-error",
        message: expect.stringContaining("makes no P-256 keys"),
        hint: expect.stringContaining("it makes RSA-2048:"),
      });
      small.mockRestore();
      await provider.close();
    });

    it("is not asked of a token that keeps none", async () => {
      const card = hsm.createToken();
      const facts = cryptoki.C_GetTokenInfo;
      const info = vi.spyOn(cryptoki, "C_GetTokenInfo").mockImplementation((slot) => {
        const { flags, ...rest } = facts.call(cryptoki, slot);
        return { ...rest, flags: flags | ck.CKF_WRITE_PROTECTED };
      });
      const provider = await open(card);
      await expect(provider.generate({ algorithm: "P-256", label: "no" })).rejects.toMatchObject({
        code: "token-error",
        message: expect.stringContaining("write-protected"),
      });
      info.mockRestore();
      await provider.close();
    });
  });
});

const aLogin = ({ pin }: TestToken) => ({ pin: () => pin, memory: processPinMemory, isAttended: false });

function fail(result: string): () => never {
  return () => {
    throw new Error(result);
  };
}
