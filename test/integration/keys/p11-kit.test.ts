import { initialiseToken, openKeyProvider } from "@fleetcert/hw";
import { Secret } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { keyProviderContract } from "../../contracts/key-provider.ts";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { testPki } from "../../support/pki/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity } from "../../support/pki/tls-identity.ts";
import { tlsHandshake } from "../../support/pki/tls-pair.ts";
import { describeWith } from "../../support/programs/optional-part.ts";
import { p11KitPart, type RemoteModule, startRemoteModule } from "../../support/programs/p11-kit.ts";

describeWith([softHsmPart, p11KitPart, tlsAddonPart], "a module in a process of its own, behind p11-kit", () => {
  const hsm = startSoftHsm();
  const pin = Secret.of("remote-1234");
  let remote: RemoteModule;

  beforeAll(async () => {
    remote = await startRemoteModule(hsm.modulePath, hsm.env);
    const soPin = Secret.of("remote-so-1");
    initialiseToken({ modulePath: remote.modulePath, label: "remote", soPin, userPin: pin });
  });

  afterAll(async () => {
    await remote.stop();
    hsm.remove();
  });

  const open = () =>
    openKeyProvider({ kind: "pkcs11", modulePath: remote.modulePath, tokenLabel: "remote", pin: () => pin });

  keyProviderContract("pkcs11 behind p11-kit", open, {
    algorithms: ["P-256", "RSA-2048"],
    absentRef: () => "pkcs11:id=%01%02;type=private",
  });

  it("is used beside another module in one process", async () => {
    const own = hsm.createToken();
    const { tokenLabel } = own;
    const here = await openKeyProvider({ kind: "pkcs11", modulePath: hsm.modulePath, tokenLabel, pin: () => own.pin });
    const there = await open();
    const [one, two] = await Promise.all(
      [here, there].map((keys) => keys.generate({ algorithm: "P-256", label: "both" })),
    );
    expect(one?.ref).toContain("libsofthsm2");
    expect(two?.ref).toContain("p11-kit-client");
    await Promise.all([one, two].map((key) => key?.sign(Buffer.from("x"))));
    await Promise.all([here.close(), there.close()]);
  });

  it("may crash: that is a typed error, and its keys work again once it runs again", async () => {
    const keys = await open();
    const key = await keys.generate({ algorithm: "P-256", label: "survivor" });
    const pki = await testPki();
    const client = await providerIdentity(pki, key, "survivor");
    const server = await softwareIdentity(pki, "server");
    const handshake = () => tlsHandshake({ client, server, ca: rootPem(pki), version: "TLSv1.3" });
    expect(await handshake()).toMatchObject({ seenAs: "survivor" });
    for (let round = 0; round < 2; round++) {
      const busy = Promise.allSettled(Array.from({ length: 20 }, () => key.sign(Buffer.from("busy"))));
      await remote.crash();
      for (const outcome of await busy) {
        if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ name: "FleetError", retry: true });
      }
      await expect(key.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "key-store-unavailable", retry: true });
      expect((await handshake()).clientError?.message).toMatch(/token "remote" could not be opened|there is no token/);
      await remote.start();
      await vi.waitFor(async () => expect(await handshake()).toMatchObject({ seenAs: "survivor" }), waiting);
      await expect(key.sign(Buffer.from("x"))).resolves.toBeInstanceOf(Uint8Array);
    }
    expect(await keys.list("survivor")).toHaveLength(1);
    await keys.close();
  });
});

const waiting = { timeout: 60_000, interval: 200 };
