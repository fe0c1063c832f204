import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type OpenKeyProvider, Secret, type SecretSource } from "@fleetcert/shared";
import { afterAll, describe, expect, it, vi } from "vitest";
import { openKeyProvider } from "../../../hw/src/open-key-provider.ts";
import { loadCryptoki } from "../../../hw/src/pkcs11/cryptoki.ts";
import { requireToken } from "../../../hw/src/pkcs11/find-token.ts";
import { initialiseToken } from "../../../hw/src/pkcs11/initialise-token.ts";
import { openPinMemoryFile } from "../../../hw/src/pkcs11/pin-memory-file.ts";
import { formatPkcs11Uri } from "../../../hw/src/pkcs11/uri.ts";
import { softHsmPart, startSoftHsm, type TestToken } from "../../support/keys/softhsm.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

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
    const cwd = join(import.meta.dirname, "../../../hw");
    expect(execFileSync(process.execPath, args, { cwd }).toString()).toMatch(
      /^key-store-missing: .*npm rebuild pkcs11js/,
    );
  });

  it("that is no module gives key-store-unavailable", async () => {
    const modulePath = join(import.meta.dirname, "../../../hw/src/pkcs11/uri.ts");
    await expect(openKeyProvider({ ...config, modulePath })).rejects.toMatchObject({ code: "key-store-unavailable" });
  });
});

function fail(result: string): () => never {
  return () => {
    throw new Error(result);
  };
}
