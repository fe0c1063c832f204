import * as crypto from "node:crypto";
import { join } from "node:path";
import { openKeyProvider } from "@fleetcert/hw";
import mqtt, { type IClientOptions } from "mqtt";
import { afterAll, beforeAll, expect, it } from "vitest";
import { tlsKeysContract } from "../../contracts/tls-keys.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { testPki } from "../../support/pki/test-pki.ts";
import { providerIdentity, rootPem, softwareIdentity } from "../../support/pki/tls-identity.ts";
import { tlsHandshake } from "../../support/pki/tls-pair.ts";
import { mosquittoPart, startMosquitto } from "../../support/programs/mosquitto.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([tlsAddonPart, swtpmPart], "TLS with keys in a TPM", () => {
  let tpm: Swtpm;
  beforeAll(async () => {
    tpm = await startSwtpm();
  });
  afterAll(() => tpm.stop());
  const open = () => openKeyProvider({ kind: "tpm", tpm: tpm.address, directory: join(tpm.directory, "keys") });

  tlsKeysContract({ open, interruption: "the TPM lost power", interrupt: () => tpm.restart() });

  it("carries the TPM's own error to the TLS error event", async () => {
    const gone = await startSwtpm();
    const provider = await openKeyProvider({ kind: "tpm", tpm: gone.address, directory: join(gone.directory, "keys") });
    const pki = await testPki();
    const client = await providerIdentity(pki, await provider.generate({ algorithm: "P-256", label: "tls" }), "c");
    const server = await softwareIdentity(pki, "s");
    await gone.stop();
    const outcome = await tlsHandshake({ client, server, ca: rootPem(pki), version: "TLSv1.3" });
    expect(outcome.seenAs).toBeUndefined();
    expect(outcome.clientError?.message).toContain("the TPM at ");
    await provider.close();
  });

  it("signs all that TLS may ask for: ECDSA, PKCS#1 and PSS whose salt is as long as the digest", async () => {
    const provider = await open();
    const message = Buffer.from("a message");
    const ec = crypto.createPrivateKey((await provider.generate({ algorithm: "P-256", label: "a" })).tlsKey());
    const rsa = crypto.createPrivateKey((await provider.generate({ algorithm: "RSA-2048", label: "b" })).tlsKey());
    for (const [hash, saltLength] of [
      ["sha256", 32],
      ["sha384", 48],
      ["sha512", 64],
    ] as const) {
      const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
      const pss = crypto.sign(hash, message, { key: rsa, padding, saltLength });
      const publicKey = crypto.createPublicKey(rsa);
      expect(crypto.verify(hash, message, { key: publicKey, padding, saltLength }, pss)).toBe(true);
      expect(crypto.verify(hash, message, publicKey, crypto.sign(hash, message, rsa))).toBe(true);
      expect(crypto.verify(hash, message, crypto.createPublicKey(ec), crypto.sign(hash, message, ec))).toBe(true);
      const other = { key: rsa, padding, saltLength: 20 };
      expect(() => crypto.sign(hash, message, other)).toThrow(/signer failed/);
    }
    await provider.close();
  });

  it("refuses to give the private half away", async () => {
    const provider = await open();
    for (const algorithm of ["P-256", "RSA-2048"] as const) {
      const handle = crypto.createPrivateKey((await provider.generate({ algorithm, label: "private" })).tlsKey());
      expect(() => handle.export({ type: "pkcs8", format: "pem" })).toThrow();
      expect(() => handle.export({ format: "jwk" })).toThrow();
    }
    await provider.close();
  });

  describeWith([mosquittoPart], "against Mosquitto", () => {
    it.each(["P-256", "RSA-2048"] as const)("connects and publishes with a %s key", async (algorithm) => {
      const pki = await testPki();
      const ca = rootPem(pki);
      const server = await softwareIdentity(pki, "broker", { subjectAlternativeNames: [{ ip: "127.0.0.1" }] });
      const broker = await startMosquitto({ server, ca, acl: "pattern readwrite fleet/%u/up/#\n" });
      const provider = await open();
      const key = await provider.generate({ algorithm, label: "mqtt" });
      const identity = await providerIdentity(pki, key, "device-1");
      const options: IClientOptions = {
        protocol: "mqtts",
        host: "127.0.0.1",
        port: broker.port,
        protocolVersion: 4,
        reconnectPeriod: 0,
        ca,
        ...identity,
        ...onlyTls13,
      };
      const client = await mqtt.connectAsync(options);
      const received = new Promise((resolve) => client.on("message", (_, payload) => resolve(payload.toString())));
      await client.subscribeAsync("fleet/device-1/up/status", { qos: 1 });
      await client.publishAsync("fleet/device-1/up/status", "signed in the TPM", { qos: 1 });
      expect(await received).toBe("signed in the TPM");
      await client.endAsync();
      await provider.close();
      await broker.stop();
    });
  });
});

/** An option of node:tls that mqtt.js hands on without naming it in its types. */
const onlyTls13 = { minVersion: "TLSv1.3" };
