import * as crypto from "node:crypto";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { openKeyProvider } from "@fleetcert/hw";
import { afterAll, describe, expect, it } from "vitest";
import { loadCryptoki } from "../../../hw/src/pkcs11/cryptoki.ts";
import { requireToken } from "../../../hw/src/pkcs11/find-token.ts";
import { loadTlsAddon } from "../../../hw/src/tls/addon.ts";
import { tlsKeysContract } from "../../contracts/tls-keys.ts";
import { softHsmPart, startSoftHsm } from "../../support/keys/softhsm.ts";
import { tlsAddonPart } from "../../support/keys/tls-addon.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([tlsAddonPart, softHsmPart], "TLS with keys on SoftHSM2", () => {
  const hsm = startSoftHsm();
  const { modulePath } = hsm;
  const token = hsm.createToken();
  afterAll(() => hsm.remove());
  const open = () =>
    openKeyProvider({ kind: "pkcs11", modulePath, tokenLabel: token.tokenLabel, pin: () => token.pin });

  tlsKeysContract({
    open,
    interruption: "the token lost its sessions",
    async interrupt() {
      const cryptoki = loadCryptoki(modulePath);
      cryptoki.C_CloseAllSessions(requireToken(cryptoki, { token: token.tokenLabel }).slot);
    },
  });

  describe.each(["P-256", "RSA-2048"] as const)("%s", (algorithm) => {
    it("keeps one handle a key, however often it is opened", async () => {
      const provider = await open();
      const { ref } = await provider.generate({ algorithm, label: "tls" });
      const before = loadTlsAddon().registered();
      const pems = new Set<string>();
      for (let round = 0; round < 20; round++) pems.add((await provider.open(ref)).tlsKey());
      expect(pems.size).toBe(1);
      expect(loadTlsAddon().registered()).toBe(before + 1);
      await provider.destroy(ref);
      expect(loadTlsAddon().registered()).toBe(before);
      await provider.close();
    });
  });

  it("fails once and then goes on when sessions are lost and the PIN takes time to get", async () => {
    const pin = async () => token.pin;
    const provider = await openKeyProvider({ kind: "pkcs11", modulePath, tokenLabel: token.tokenLabel, pin });
    const key = crypto.createPrivateKey((await provider.generate({ algorithm: "P-256", label: "slow" })).tlsKey());
    const cryptoki = loadCryptoki(modulePath);
    cryptoki.C_CloseAllSessions(requireToken(cryptoki, { token: token.tokenLabel }).slot);
    expect(() => crypto.sign("sha256", Buffer.from("x"), key)).toThrow(/signer failed/);
    await setImmediate();
    expect(crypto.sign("sha256", Buffer.from("x"), key).length).toBeGreaterThan(60);
    await provider.close();
  });

  it("signs with RSA-PSS of any salt length, and with PKCS#1 v1.5, so that OpenSSL verifies it", async () => {
    const provider = await open();
    const key = await provider.generate({ algorithm: "RSA-2048", label: "pss" });
    const handle = crypto.createPrivateKey(key.tlsKey());
    const publicKey = crypto.createPublicKey({ key: Buffer.from(key.spki), format: "der", type: "spki" });
    const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST, RSA_PSS_SALTLEN_MAX_SIGN } = crypto.constants;
    const message = Buffer.from("message");
    for (const hash of ["sha256", "sha384", "sha512"]) {
      expect(crypto.verify(hash, message, publicKey, crypto.sign(hash, message, handle))).toBe(true);
      for (const saltLength of [RSA_PSS_SALTLEN_DIGEST, RSA_PSS_SALTLEN_MAX_SIGN, 0, 20]) {
        const signature = crypto.sign(hash, message, { key: handle, padding, saltLength });
        expect(crypto.verify(hash, message, { key: publicKey, padding, saltLength }, signature)).toBe(true);
      }
    }
    expect(() => crypto.sign("sha1", message, handle)).toThrow();
    await provider.close();
  });

  it("signs from the thread pool too: callback, WebCrypto, many at once", async () => {
    const provider = await open();
    const key = await provider.generate({ algorithm: "P-256", label: "pool" });
    const handle = crypto.createPrivateKey(key.tlsKey());
    const publicKey = crypto.createPublicKey(handle);
    const sign = promisify<string, Buffer, crypto.KeyObject, Buffer>(crypto.sign);
    const messages = Array.from({ length: 100 }, (_, index) => Buffer.from(`${index}`));
    const signatures = await Promise.all(messages.map((message) => sign("sha256", message, handle)));
    for (const [index, message] of messages.entries()) {
      expect(crypto.verify("sha256", message, publicKey, signatures[index] ?? Buffer.alloc(0))).toBe(true);
    }
    const cryptoKey = handle.toCryptoKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
    const raw = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, cryptoKey, Buffer.from("web"));
    const dsaEncoding = "ieee-p1363";
    expect(crypto.verify("sha256", Buffer.from("web"), { key: publicKey, dsaEncoding }, Buffer.from(raw))).toBe(true);
    await provider.close();
  });

  it("refuses to give the private half away, to decrypt and to agree keys", async () => {
    const provider = await open();
    for (const algorithm of ["P-256", "RSA-2048"] as const) {
      const key = await provider.generate({ algorithm, label: "private" });
      const handle = crypto.createPrivateKey(key.tlsKey());
      const type = algorithm === "P-256" ? "sec1" : "pkcs1";
      expect(() => handle.export({ type: "pkcs8", format: "pem" })).toThrow();
      expect(() => handle.export({ type, format: "der" })).toThrow();
      expect(() => handle.export({ format: "jwk" })).toThrow();
      expect(new Uint8Array(crypto.createPublicKey(handle).export({ type: "spki", format: "der" }))).toEqual(key.spki);
      if (algorithm === "RSA-2048") {
        const publicKey = crypto.createPublicKey({ key: Buffer.from(key.spki), format: "der", type: "spki" });
        const encrypted = crypto.publicEncrypt(publicKey, Buffer.from("x"));
        expect(() => crypto.privateDecrypt(handle, encrypted)).toThrow();
      } else {
        const peer = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
        expect(() => crypto.diffieHellman({ privateKey: handle, publicKey: peer })).toThrow();
      }
    }
    await provider.close();
  });

  it("works from a worker thread while the key's thread is free", async () => {
    const provider = await open();
    const key = await provider.generate({ algorithm: "P-256", label: "worker" });
    const worker = new Worker(signInWorker, { eval: true, workerData: key.tlsKey() });
    const [signature] = (await once(worker, "message")) as [Uint8Array];
    const publicKey = crypto.createPublicKey({ key: Buffer.from(key.spki), format: "der", type: "spki" });
    expect(crypto.verify("sha256", Buffer.from("from a worker"), publicKey, signature)).toBe(true);
    await once(worker, "exit");
    await provider.close();
  });
});

const signInWorker = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { createPrivateKey, sign } = require("node:crypto");
  parentPort.postMessage(sign("sha256", Buffer.from("from a worker"), createPrivateKey(workerData)));
`;
