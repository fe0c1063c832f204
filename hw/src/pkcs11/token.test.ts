import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type OpenKeyProvider, Secret, type SecretSource } from "@fleetcert/shared";
import { afterAll, describe, expect, it, vi } from "vitest";
import { describeWith } from "../../../test/support/optional-part.ts";
import { softHsmPart, startSoftHsm, type TestToken } from "../../../test/support/softhsm.ts";
import { openKeyProvider } from "../open-key-provider.ts";
import { ck } from "./constants.ts";
import { loadCryptoki } from "./cryptoki.ts";
import { requireToken } from "./find-token.ts";
import { initialiseToken } from "./initialise-token.ts";
import { processPinMemory } from "./pin-memory.ts";
import { openPinMemoryFile } from "./pin-memory-file.ts";
import { Token } from "./token.ts";
import { formatPkcs11Uri } from "./uri.ts";

describeWith([softHsmPart], "a token", () => {
  const hsm = startSoftHsm();
  const { modulePath } = hsm;
  const token = hsm.createToken("Fleet token; №1");
  const cryptoki = loadCryptoki(modulePath);
  afterAll(() => hsm.remove());
  const open = (at: TestToken = token, pin: SecretSource = () => at.pin): Promise<OpenKeyProvider> =>
    openKeyProvider({ kind: "pkcs11", modulePath, tokenLabel: at.tokenLabel, pin });

  describe("logging in", () => {
    it("presents a wrong PIN exactly once, however often and concurrently the token is opened", async () => {
      const guarded = hsm.createToken();
      const logins = vi.spyOn(cryptoki, "C_Login");
      const wrong = (): Secret => Secret.of("not the PIN");
      const attempts = await Promise.allSettled([open(guarded, wrong), open(guarded, wrong), open(guarded, wrong)]);
      attempts.push(...(await Promise.allSettled([open(guarded, wrong)])));
      for (const attempt of attempts) expect(attempt).toMatchObject({ reason: { code: "pin-refused" } });
      expect(logins).toHaveBeenCalledTimes(1);
      logins.mockRestore();
    });

    it("tries a corrected PIN after a refused one", async () => {
      const guarded = hsm.createToken();
      await expect(open(guarded, () => Secret.of("wrong"))).rejects.toMatchObject({ code: "pin-refused" });
      const provider = await open(guarded);
      expect(provider.info.serial).toBe(guarded.serial);
      await provider.close();
    });

    it("is tried again when the module fails without a reason, as SoftHSM2 does beside another process", async () => {
      const shared = hsm.createToken();
      const original = cryptoki.C_Login;
      const logins = vi.spyOn(cryptoki, "C_Login");
      for (let failure = 0; failure < 2; failure++) logins.mockImplementationOnce(fail("CKR_GENERAL_ERROR"));
      logins.mockImplementation((...args) => original.apply(cryptoki, args));
      const provider = await open(shared);
      expect(logins).toHaveBeenCalledTimes(3);
      logins.mockRestore();
      await expect(provider.list("")).resolves.toEqual([]);
      await provider.close();
    });

    it("is not tried again when the module fails without a reason but the token counted a wrong PIN", async () => {
      const shared = hsm.createToken();
      await expect(open(shared, () => Secret.of("wrong"))).rejects.toMatchObject({ code: "pin-refused" });
      const logins = vi.spyOn(cryptoki, "C_Login").mockImplementation(fail("CKR_GENERAL_ERROR"));
      await expect(open(shared)).rejects.toMatchObject({ code: "token-error", retry: true });
      expect(logins).toHaveBeenCalledTimes(1);
      logins.mockRestore();
      await (await open(shared)).close();
    });

    it("keeps the PIN out of every error", async () => {
      const guarded = hsm.createToken();
      const refusal = await open(guarded, () => Secret.of("8731-secret")).catch((error: unknown) => error);
      expect(`${String(refusal)} ${JSON.stringify(refusal)} ${(refusal as Error).stack}`).not.toContain("8731");
      expect(refusal).toMatchObject({ hint: expect.stringContaining("not tried again") });
    });

    it("is done once for several providers on one token, which outlive each other", async () => {
      const shared = hsm.createToken();
      const logins = vi.spyOn(cryptoki, "C_Login");
      const [one, two] = await Promise.all([open(shared), open(shared)]);
      const key = await one.generate({ algorithm: "P-256", label: "shared" });
      await one.close();
      await expect((await two.open(key.ref)).sign(Buffer.from("x"))).resolves.toBeInstanceOf(Uint8Array);
      await two.close();
      await expect(two.list("")).rejects.toMatchObject({ code: "key-store-unavailable" });
      await expect(key.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "key-store-unavailable" });
      const three = await open(shared);
      await three.close();
      expect(logins).toHaveBeenCalledTimes(2);
      logins.mockRestore();
    });

    it("refuses a second provider that has another PIN than the one the token took, without asking the token", async () => {
      const shared = hsm.createToken();
      const provider = await open(shared);
      const logins = vi.spyOn(cryptoki, "C_Login");
      await expect(open(shared, () => Secret.of("other"))).rejects.toMatchObject({ code: "pin-refused" });
      expect(logins).not.toHaveBeenCalled();
      logins.mockRestore();
      await expect(provider.list("")).resolves.toEqual([]);
      await provider.close();
    });
  });

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
    await expect(at.run(() => answer.promise, 20)).rejects.toMatchObject({ code: "timeout", retry: true });
    answer.resolve("late");
    await expect(at.run(async () => "in time", 1000)).resolves.toBe("in time");
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

  it("is remembered with its refused PIN across restarts, where there is a file for that", async () => {
    const card = hsm.createToken();
    const path = join(hsm.directory, "refused-pins.json");
    const start = (pin: Secret, isAttended = false) =>
      openKeyProvider({
        ...{ kind: "pkcs11", modulePath, tokenLabel: card.tokenLabel, isAttended },
        ...{ pin: () => pin, pinMemory: openPinMemoryFile(path) },
      });
    const logins = vi.spyOn(cryptoki, "C_Login");
    const wrong = Secret.of("not the PIN");
    for (let restart = 0; restart < 3; restart++) {
      await expect(start(wrong)).rejects.toMatchObject({ code: "pin-refused" });
    }
    expect(logins).toHaveBeenCalledTimes(1);
    await expect(start(wrong, true)).rejects.toMatchObject({ code: "pin-refused" });
    await expect(start(Secret.of("nor this"))).rejects.toMatchObject({ code: "pin-refused" });
    expect(logins).toHaveBeenCalledTimes(2);
    await (await start(card.pin, true)).close();
    expect(logins).toHaveBeenCalledTimes(3);
    logins.mockRestore();
    await (await start(card.pin)).close();
    expect(readFileSync(path, "utf8")).not.toContain(card.pin.reveal());
  });

  describe("finding the token", () => {
    it("takes the description of its slot, and two tokens at once in one process", async () => {
      const [one, two] = [hsm.createToken(), hsm.createToken()];
      const { slotDescription, slotId } = requireToken(cryptoki, { serial: one.serial });
      const uri = { slotDescription, slotId };
      const first = await open({ ...one, tokenLabel: formatPkcs11Uri(uri) });
      const second = await open(two);
      expect([first.info.serial, second.info.serial]).toEqual([one.serial, two.serial]);
      const [a, b] = await Promise.all(
        [first, second].map((each) => each.generate({ algorithm: "P-256", label: "same" })),
      );
      await expect(first.open(b?.ref ?? "")).rejects.toMatchObject({ code: "key-not-found" });
      await Promise.all([a, b].map((key) => key?.sign(Buffer.from("x"))));
      await Promise.all([first.close(), second.close()]);
      await expect(open({ ...one, tokenLabel: "pkcs11:slot-description=no%20such" })).rejects.toMatchObject({
        code: "key-store-unavailable",
      });
    });

    it("needs the serial when two tokens have one label", async () => {
      const first = hsm.createToken();
      const twin = hsm.createToken();
      const info = cryptoki.C_GetTokenInfo;
      const same = vi.spyOn(cryptoki, "C_GetTokenInfo").mockImplementation((slot) => {
        const facts = info.call(cryptoki, slot);
        return facts.label.startsWith(twin.tokenLabel) ? { ...facts, label: first.tokenLabel } : facts;
      });
      await expect(open(first)).rejects.toMatchObject({
        code: "key-store-unavailable",
        hint: expect.stringContaining(twin.serial),
      });
      const uri = `pkcs11:token=${first.tokenLabel};serial=${first.serial}`;
      const provider = await open({ ...first, tokenLabel: uri });
      expect(provider.info.serial).toBe(first.serial);
      await provider.close();
      same.mockRestore();
    });

    it("takes a URI: serial, model, manufacturer and slot must all match, the rest of it does not matter", async () => {
      const { slotId } = requireToken(cryptoki, { serial: token.serial });
      const uri = `pkcs11:serial=${token.serial};model=SoftHSM%20v2;manufacturer=SoftHSM%20project;slot-id=${slotId};object=x`;
      const provider = await open({ ...token, tokenLabel: uri });
      expect(provider.info.serial).toBe(token.serial);
      await provider.close();
      for (const wrong of ["serial=0", `serial=${token.serial};model=y`, `serial=${token.serial};slot-id=1`]) {
        await expect(open({ ...token, tokenLabel: `pkcs11:${wrong}` })).rejects.toMatchObject({
          code: "key-store-unavailable",
        });
      }
      await expect(open({ ...token, tokenLabel: "pkcs11:nonsense" })).rejects.toMatchObject({
        code: "request-invalid",
      });
    });

    it("passes over a slot whose card the module does not know", async () => {
      const stranger = hsm.createToken();
      const info = cryptoki.C_GetTokenInfo;
      const unknown = vi.spyOn(cryptoki, "C_GetTokenInfo").mockImplementation((slot) => {
        const facts = info.call(cryptoki, slot);
        if (facts.label.startsWith(stranger.tokenLabel)) throw new Error("CKR_TOKEN_NOT_RECOGNIZED");
        return facts;
      });
      await (await open()).close();
      await expect(open(stranger)).rejects.toMatchObject({ code: "key-store-unavailable" });
      unknown.mockRestore();
    });

    it("says which tokens are there when the one asked for is not", async () => {
      const absent = { ...token, tokenLabel: "absent" };
      await expect(open(absent)).rejects.toMatchObject({
        code: "key-store-unavailable",
        retry: true,
        hint: expect.stringContaining(token.tokenLabel),
      });
    });
  });

  describe("initialising a token", () => {
    const request = { modulePath, soPin: Secret.of("so-pin-123"), userPin: Secret.of("user-pin-123") };

    it("refuses a label that is taken, and touches nothing", async () => {
      expect(() => initialiseToken({ ...request, label: token.tokenLabel })).toThrowError(
        expect.objectContaining({ code: "already-exists" }),
      );
      await (await open()).close();
    });

    it.each(["", " x", "x ", "x".repeat(33), "ü".repeat(17)])("refuses the label %j", (label) => {
      expect(() => initialiseToken({ ...request, label })).toThrowError(
        expect.objectContaining({ code: "request-invalid" }),
      );
    });

    it("gives labels other programs read without padding", () => {
      initialiseToken({ ...request, label: "exact label" });
      expect(
        execFileSync("softhsm2-util", ["--show-slots"], { env: { ...process.env, ...hsm.env } }).toString(),
      ).toMatch(/Label: +exact label *\n/);
    });
  });
});

describe("a PKCS#11 module", () => {
  const config = { kind: "pkcs11", tokenLabel: "x", pin: () => Secret.of("x") } as const;

  it("that is not there gives key-store-missing with what to install", async () => {
    await expect(openKeyProvider({ ...config, modulePath: "/nowhere/libx.so" })).rejects.toMatchObject({
      code: "key-store-missing",
      hint: expect.stringContaining("apt-get install softhsm2"),
    });
  });

  it("is asked for only where pkcs11js is installed: key-store-missing says how to get it", () => {
    const hide = `import { registerHooks } from "node:module";
      registerHooks({ resolve: (name, context, next) => {
        if (name === "pkcs11js") throw new Error("not installed");
        return next(name, context);
      } });`;
    const script = `import { openKeyProvider } from "./src/open-key-provider.ts";
      openKeyProvider({ kind: "pkcs11", tokenLabel: "x", modulePath: process.execPath, pin() {} })
        .catch(({ code, hint }) => console.log(code + ": " + hint));`;
    const hidden = ["--import", `data:text/javascript,${encodeURIComponent(hide)}`];
    const args = [...hidden, "--input-type=module", "--eval", script];
    const cwd = join(import.meta.dirname, "../..");
    expect(execFileSync(process.execPath, args, { cwd }).toString()).toMatch(
      /^key-store-missing: .*npm rebuild pkcs11js/,
    );
  });

  it("that is no module gives key-store-unavailable", async () => {
    const modulePath = join(import.meta.dirname, "uri.ts");
    await expect(openKeyProvider({ ...config, modulePath })).rejects.toMatchObject({ code: "key-store-unavailable" });
  });
});

const aLogin = ({ pin }: TestToken) => ({ pin: () => pin, memory: processPinMemory, isAttended: false });

function fail(result: string): () => never {
  return () => {
    throw new Error(result);
  };
}
