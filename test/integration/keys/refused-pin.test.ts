import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { ck } from "../../../hw/src/pkcs11/constants.ts";
import { loadCryptoki } from "../../../hw/src/pkcs11/cryptoki.ts";
import { requireToken } from "../../../hw/src/pkcs11/find-token.ts";
import { runAgentCommand } from "../../support/agent/agent-command.ts";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([softHsmPart, tlsAddonPart], "an agent whose token refuses its PIN", () => {
  const hsm = startSoftHsm();
  const token = hsm.createToken();
  const cryptoki = loadCryptoki(hsm.modulePath);
  let data: string;

  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), "fleetcert-refused-"));
    const uri = `pkcs11:token=${token.tokenLabel}?module-path=${hsm.modulePath}&pin-source=credential:token-pin`;
    await writeFile(join(data, "config.yaml"), JSON.stringify({ keys: { provider: "pkcs11", token: uri } }));
    vi.stubEnv("CREDENTIALS_DIRECTORY", data);
  });

  afterAll(async () => {
    vi.unstubAllEnvs();
    hsm.remove();
    await rm(data, { recursive: true, force: true });
  });

  const givePin = (pin: string) => writeFile(join(data, "token-pin"), `${pin}\n`, { mode: 0o440 });

  async function keys(...args: string[]) {
    const { code, stdout, stderr } = await runAgentCommand(data, ["keys", ...args]);
    return { code, said: stdout + stderr };
  }

  it("takes it from the service manager", async () => {
    await givePin(token.pin.reveal());
    expect(await keys("list")).toMatchObject({ code: 0, said: expect.stringContaining(token.serial) });
  });

  it("presents a wrong one once, whatever is started, and leaves the way out to a person", async () => {
    const logins = vi.spyOn(cryptoki, "C_Login");
    const other = "another-1234";
    await givePin(other);
    expect(await keys("list")).toMatchObject({ code: 10, said: expect.stringContaining("CKR_PIN_INCORRECT") });
    for (const args of [["list"], ["test", "--new"], ["doctor"]]) {
      expect((await keys(...args)).said).toMatch(/not tried again[\s\S]*--try-pin/);
    }
    expect(logins).toHaveBeenCalledTimes(1);
    // Somebody changes the token's PIN to what stands at the source: only a person can know that.
    setPin(token.pin.reveal(), other);
    logins.mockClear();
    expect((await keys("list")).code).toBe(10);
    expect(logins).not.toHaveBeenCalled();
    expect(await keys("test", "--new", "--try-pin")).toMatchObject({ code: 0 });
    expect(await keys("list")).toMatchObject({ code: 0 });
    expect(logins).toHaveBeenCalledTimes(2);
    logins.mockRestore();
    const memory = await readFile(join(data, "refused-pins.json"), "utf8");
    for (const pin of [other, token.pin.reveal()]) expect(memory).not.toContain(pin);
  });

  function setPin(from: string, to: string): void {
    const flags = ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION;
    const session = cryptoki.C_OpenSession(requireToken(cryptoki, { serial: token.serial }).slot, flags);
    cryptoki.C_SetPIN(session, from, to);
    cryptoki.C_CloseSession(session);
  }
});
