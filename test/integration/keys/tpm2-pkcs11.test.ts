import { createPublicKey, verify } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { initialiseToken, openKeyProvider } from "@fleetcert/hw";
import { type ProviderKey, Secret } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { keyProviderContract } from "../../contracts/key-provider.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { testPki } from "../../support/pki/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity } from "../../support/pki/tls-identity.ts";
import { tlsHandshake } from "../../support/pki/tls-pair.ts";
import { describeWith, type OptionalPart } from "../../support/programs/optional-part.ts";

const modulePath = [
  "/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so",
  "/usr/lib/aarch64-linux-gnu/pkcs11/libtpm2_pkcs11.so",
  "/usr/lib64/pkcs11/libtpm2_pkcs11.so",
].find((path) => existsSync(path));

const tpm2Pkcs11Part: OptionalPart = {
  name: "tpm2-pkcs11",
  isPresent: modulePath !== undefined,
  install: "sudo apt-get install libtpm2-pkcs11-1",
};

describeWith([swtpmPart, tpm2Pkcs11Part, tlsAddonPart], "tpm2-pkcs11 over a TPM emulator", () => {
  let tpm: Swtpm;
  const pin = Secret.of("tpm-user-1");
  const open = () =>
    openKeyProvider({ kind: "pkcs11", modulePath: modulePath ?? "", tokenLabel: "tpm", pin: () => pin });

  beforeAll(async () => {
    const tcpPort = await twoFreePorts();
    tpm = await startSwtpm({ tcpPort, hasControl: true });
    const store = join(tpm.directory, "store");
    mkdirSync(store);
    process.env["TPM2_PKCS11_STORE"] = store;
    process.env["TPM2_PKCS11_TCTI"] = `swtpm:host=127.0.0.1,port=${tcpPort}`;
    process.env["TSS2_LOG"] = "all+none";
    process.env["TPM2_PKCS11_LOG_LEVEL"] = "0";
    initialiseToken({ modulePath: modulePath ?? "", label: "tpm", soPin: Secret.of("tpm-so-1"), userPin: pin });
  });
  afterAll(() => tpm.stop());

  // The emulator has room for three loaded keys, and the module keeps every one it used: opening anew makes room.
  keyProviderContract("tpm2-pkcs11", open, {
    algorithms: ["P-256", "RSA-2048"],
    absentRef: () => "pkcs11:id=%01%02;type=private",
  });

  it("goes through generation after generation in one process, as an agent does", async () => {
    const keys = await open();
    const message = Buffer.from("signed by both keys until the old one is destroyed");
    let old: ProviderKey | undefined;
    for (let generation = 1; generation <= 5; generation++) {
      const key = await keys.generate({ algorithm: "P-256", label: `generation-${generation}` });
      for (const one of [key, old, key]) {
        if (one !== undefined) expect(isSignedBy(one, message, await one.sign(message))).toBe(true);
      }
      if (old !== undefined) await keys.destroy(old.ref);
      expect((await keys.list("generation-")).map(({ id }) => id)).toEqual([key.id]);
      old = key;
    }
    await keys.close();
  });

  it("authenticates TLS sessions", async () => {
    const keys = await open();
    const pki = await testPki();
    const client = await providerIdentity(pki, await keys.generate({ algorithm: "P-256", label: "tls" }), "in-a-tpm");
    const server = await softwareIdentity(pki, "server");
    expect(await tlsHandshake({ client, server, ca: rootPem(pki), version: "TLSv1.3" })).toMatchObject({
      seenAs: "in-a-tpm",
    });
    await keys.close();
  });
});

function isSignedBy({ spki }: ProviderKey, message: Uint8Array, signature: Uint8Array): boolean {
  return verify("sha256", message, createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" }), signature);
}

/** A port that is free together with the next one. */
async function twoFreePorts(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1" }, () => server.close(() => resolve(true)));
  });
}
