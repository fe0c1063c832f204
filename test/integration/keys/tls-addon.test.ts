import { execFileSync } from "node:child_process";
import * as crypto from "node:crypto";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { createSecureContext } from "node:tls";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { openTlsKeyHandle, type TlsKeyHandle } from "@fleetcert/hw";
import type { Signer } from "@fleetcert/shared";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadTlsAddon } from "../../../hw/src/tls/addon.ts";
import { tlsAddonPart, tlsAddonPath } from "../../support/keys/tls-addon.ts";
import { type TestPki, testPki } from "../../support/pki/test-pki.ts";
import { certificateChain, rootPem, softwareIdentity } from "../../support/pki/tls-identity.ts";
import { tlsHandshake } from "../../support/pki/tls-pair.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

describeWith([tlsAddonPart], "the TLS addon", () => {
  let pki: TestPki;
  beforeAll(async () => {
    pki = await testPki();
  });
  const pair = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = new Uint8Array(pair.publicKey.export({ type: "spki", format: "der" }));
  const handles: TlsKeyHandle[] = [];
  const handleFor = (sign: () => unknown): TlsKeyHandle => {
    const handle = openTlsKeyHandle(spki, sign as () => Uint8Array);
    handles.push(handle);
    return handle;
  };
  afterAll(() => {
    for (const handle of handles) handle.close();
  });

  it.each([
    [
      "an exception",
      () => {
        throw new Error("CKR_PIN_LOCKED");
      },
      /Error: CKR_PIN_LOCKED/,
    ],
    [
      "something thrown that is no error",
      () => {
        throw {
          toString: () => {
            throw new Error("twice");
          },
        };
      },
      /the sign function failed/,
    ],
    ["a Promise", () => new Promise(() => undefined), /returned a Promise/],
    ["no bytes", () => new Uint8Array(0), /must return a Uint8Array/],
    ["text", () => "signature", /must return a Uint8Array/],
    ["too many bytes", () => new Uint8Array(73), /73 bytes, at most 72 fit/],
    ["far too many bytes", () => new Uint8Array(1_000_000), /must return a Uint8Array/],
    ["nothing", () => undefined, /must return a Uint8Array/],
  ])("carries %s out of the signer into the TLS error event", async (_, sign, text) => {
    const failing = {
      key: handleFor(sign).pem,
      cert: await certificateChain(pki, publicOnly(spki), { commonName: "failing" }),
    };
    const healthy = await softwareIdentity(pki, "healthy");
    const ca = rootPem(pki);
    for (const version of ["TLSv1.3", "TLSv1.2"] as const) {
      const asClient = await tlsHandshake({ client: failing, server: healthy, ca, version });
      expect(asClient.clientError?.message).toMatch(text);
      expect(asClient.seenAs).toBeUndefined();
      const asServer = await tlsHandshake({ client: healthy, server: failing, ca, version });
      expect(asServer.serverError?.message).toMatch(text);
      expect(asServer.seenAs).toBeUndefined();
    }
  });

  it("lets a wrong signature fail at the peer", async () => {
    const wrong = {
      key: handleFor(() => Buffer.from("3006020101020101", "hex")).pem,
      cert: await certificateChain(pki, publicOnly(spki), { commonName: "x" }),
    };
    const outcome = await tlsHandshake({
      client: wrong,
      server: await softwareIdentity(pki, "s"),
      ca: rootPem(pki),
      version: "TLSv1.3",
    });
    expect(outcome.seenAs).toBeUndefined();
    expect(outcome.serverError).toBeInstanceOf(Error);
  });

  // Another text would mean that an earlier error was still on OpenSSL's queue, where it ends unrelated TLS sessions.
  it("refuses a certificate that does not belong to the key, with that error and no other", async () => {
    const cert = (await softwareIdentity(pki, "other")).cert;
    expect(() => createSecureContext({ key: handleFor(() => new Uint8Array(1)).pem, cert })).toThrow(
      /key values mismatch/,
    );
  });

  it.each([
    ["no key", [undefined, noop]],
    ["bytes that are no SPKI", [Buffer.from("3003020100", "hex"), noop]],
    ["an SPKI with more behind it", [Buffer.concat([spki, Buffer.of(0)]), noop]],
    ["an X25519 key", [crypto.generateKeyPairSync("x25519").publicKey.export({ type: "spki", format: "der" }), noop]],
    ["no function", [spki, "sign"]],
    ["an array in place of bytes", [new Float64Array(4), noop]],
  ])("registers nothing for %s", (_, args) => {
    const addon = loadTlsAddon();
    const before = addon.registered();
    expect(() => Reflect.apply(addon.register, addon, args)).toThrow();
    expect(addon.registered()).toBe(before);
  });

  it("gives an error for any handle that is not one", () => {
    const real = handleFor(() => new Uint8Array(1)).pem;
    const [begin = "", body = "", end = ""] = real.split("\n");
    const bodies = fc.oneof(
      fc.base64String({ maxLength: 64 }),
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.constantFrom("", body.slice(1), `${body} `, `${body}A`, body.toLowerCase(), "\0", "%n%s", "A".repeat(10_000)),
    );
    fc.assert(
      fc.property(bodies, (text) => {
        fc.pre(text !== body);
        expect(() => crypto.createPrivateKey([begin, text, end, ""].join("\n"))).toThrow();
      }),
      { numRuns: 300 },
    );
    for (const text of [
      `${begin}\n`,
      `${begin}\n${body}\n`,
      `${begin}\n${body}\n-----END PRIVATE KEY-----\n`,
      `${begin}${body}${end}`,
    ]) {
      expect(() => crypto.createPrivateKey(text)).toThrow();
    }
    expect(crypto.createPrivateKey(`a line before\n${real}`).asymmetricKeyType).toBe("ec");
    expect(crypto.createPrivateKey(real.replaceAll("\n", "\r\n")).asymmetricKeyType).toBe("ec");
    expect(() => crypto.createPublicKey(`${begin}\nAAAA\n${end}\n`)).toThrow();
  });

  it("signs whole messages with Ed25519 keys, up to 16 MiB, and takes no wrong signature for one", async () => {
    const { privateKey, publicKey } = crypto.generateKeyPairSync("ed25519");
    const der = new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
    let answer = (message: Uint8Array): Uint8Array => crypto.sign(null, message, privateKey);
    const handle = openTlsKeyHandle(der, ({ scheme, digest }) => {
      expect(scheme).toBe("ed25519");
      return answer(digest);
    });
    handles.push(handle);
    const key = crypto.createPrivateKey(handle.pem);
    expect(key.asymmetricKeyType).toBe("ed25519");
    for (const message of [Buffer.alloc(0), Buffer.from("hello"), crypto.randomBytes(1 << 20)]) {
      const signature = crypto.sign(null, message, key);
      for (const verifier of [publicKey, crypto.createPublicKey(handle.pem)]) {
        expect(crypto.verify(null, message, verifier, signature)).toBe(true);
        expect(crypto.verify(null, Buffer.concat([message, Buffer.of(0)]), verifier, signature)).toBe(false);
      }
    }
    expect(() => crypto.sign(null, Buffer.alloc((1 << 24) + 1), key)).toThrow(/unsupported signature parameters/);
    expect(() => crypto.sign("sha256", Buffer.from("x"), key)).toThrow();
    expect(() => key.export({ type: "pkcs8", format: "pem" })).toThrow();
    answer = () => new Uint8Array(63);
    expect(() => crypto.sign(null, Buffer.from("x"), key)).toThrow(/signer failed/);
  });

  it("unregisters a key once, and only what is one", () => {
    const addon = loadTlsAddon();
    const { pem } = handleFor(() => new Uint8Array(1));
    expect([pem, pem, "", "nonsense", "x".repeat(10_000)].map((text) => addon.unregister(text))).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(Reflect.apply(addon.unregister, addon, [42])).toBe(false);
  });

  it("leaves ordinary keys alone: PEM, encrypted PEM, generation, signing, agreement", async () => {
    handleFor(() => new Uint8Array(1));
    for (const type of ["ec", "rsa"] as const) {
      const { privateKey, publicKey } =
        type === "ec"
          ? crypto.generateKeyPairSync("ec", { namedCurve: "P-256" })
          : crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
      const plain = privateKey.export({ type: "pkcs8", format: "pem" });
      const locked = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" });
      for (const key of [crypto.createPrivateKey(plain), crypto.createPrivateKey({ key: locked, passphrase: "x" })]) {
        expect(key.equals(privateKey)).toBe(true);
        expect(crypto.verify("sha256", Buffer.from("x"), publicKey, crypto.sign("sha256", Buffer.from("x"), key))).toBe(
          true,
        );
      }
      expect(() => crypto.createPrivateKey({ key: locked, passphrase: "y" })).toThrow();
    }
    const [one, two] = [crypto.generateKeyPairSync("x25519"), crypto.generateKeyPairSync("x25519")];
    expect(crypto.diffieHellman({ privateKey: one.privateKey, publicKey: two.publicKey })).toHaveLength(32);
    const [client, server] = [await softwareIdentity(pki, "plain"), await softwareIdentity(pki, "server")];
    expect(await tlsHandshake({ client, server, ca: rootPem(pki), version: "TLSv1.3" })).toMatchObject({
      seenAs: "plain",
    });
  });

  it("gives a clean error for a key whose worker has ended", async () => {
    const worker = new Worker(registerInWorker, { eval: true, workerData: { addonPath: tlsAddonPath, spki } });
    const [pem] = (await once(worker, "message")) as [string];
    const key = crypto.createPrivateKey(pem);
    const sign = promisify<string, Buffer, crypto.KeyObject, Buffer>(crypto.sign);
    worker.postMessage("end");
    await once(worker, "exit");
    expect(() => crypto.sign("sha256", Buffer.from("x"), key)).toThrow(/key is closed/);
    await expect(sign("sha256", Buffer.from("x"), key)).rejects.toThrow(/key is closed/);
    expect(() => crypto.createPrivateKey(pem)).toThrow();
  });

  it("survives a worker that ends while other threads wait for its signature", async () => {
    const worker = new Worker(registerInWorker, { eval: true, workerData: { addonPath: tlsAddonPath, spki } });
    const [pem] = (await once(worker, "message")) as [string];
    const key = crypto.createPrivateKey(pem);
    const sign = promisify<string, Buffer, crypto.KeyObject, Buffer>(crypto.sign);
    worker.postMessage("block");
    const waiting = Promise.allSettled(Array.from({ length: 8 }, () => sign("sha256", Buffer.from("x"), key)));
    await Promise.all([waiting, worker.terminate()]);
    for (const { status } of await waiting) expect(status).toBe("rejected");
  });

  it("survives keys that are closed while the thread pool signs with them", async () => {
    const addon = loadTlsAddon();
    const before = addon.registered();
    const signature = crypto.sign("sha256", Buffer.from("x"), pair.privateKey);
    const sign = promisify<string, Buffer, crypto.KeyObject, Buffer>(crypto.sign);
    for (let round = 0; round < 300; round++) {
      const pem = addon.register(spki, () => signature);
      const key = crypto.createPrivateKey(pem);
      const all = Array.from({ length: 6 }, () => sign("sha256", Buffer.from("x"), key));
      if (round % 3 > 0) await setImmediate();
      addon.unregister(pem);
      for (const result of await Promise.allSettled(all)) {
        const text = result.status === "rejected" ? String(result.reason) : "";
        expect(text).toMatch(/^$|key is closed|signer failed/);
      }
    }
    expect(addon.registered()).toBe(before);
  });

  it("stays loaded when the only worker that used it has ended", () => {
    const script = `
      const { Worker } = require("node:worker_threads");
      const crypto = require("node:crypto");
      const code = 'const { addon, spki } = require("node:worker_threads").workerData; require(addon).register(spki, () => spki)';
      const { publicKey, privateKey } = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
      const workerData = { addon: process.argv[1], spki: publicKey.export({ type: "spki", format: "der" }) };
      new Worker(code, { eval: true, workerData }).once("exit", () => {
        const key = crypto.createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" }));
        process.stdout.write(String(crypto.verify("sha256", Buffer.of(1), publicKey, crypto.sign("sha256", Buffer.of(1), key))));
      });`;
    expect(execFileSync(process.execPath, ["--eval", script, tlsAddonPath]).toString()).toBe("true");
  });

  it(`does not grow over ${rounds} signatures`, async () => {
    const signature = crypto.sign("sha256", Buffer.from("x"), pair.privateKey);
    const { pem } = handleFor(() => signature);
    const collect = collector();
    const signTimes = async (times: number): Promise<void> => {
      for (let round = 1; round <= times; round++) {
        crypto.sign("sha256", Buffer.from("x"), crypto.createPrivateKey(pem));
        if (round % 1000 > 0) continue;
        collect();
        // What was collected is finalised in another turn of the event loop.
        await setImmediate();
      }
    };
    await signTimes(2000);
    const before = process.memoryUsage.rss();
    await signTimes(rounds);
    const grown = (process.memoryUsage.rss() - before) / 1024 / 1024;
    // A leak of 500 bytes per signature would show at 20,000; without one RSS stays within 3 MiB over 120,000.
    expect(grown).toBeLessThan(8);
  });
});

const noop = (): undefined => undefined;

const rounds = 20_000;

const registerInWorker = `
  const { parentPort, workerData } = require("node:worker_threads");
  const addon = require(workerData.addonPath);
  parentPort.postMessage(addon.register(workerData.spki, () => new Uint8Array(8)));
  parentPort.on("message", (what) => {
    if (what === "end") parentPort.close();
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

const publicOnly = (spki: Uint8Array): Signer => ({
  algorithm: "P-256",
  spki,
  sign: () => Promise.reject(new Error("only the certificate is wanted")),
});

/** A function that collects garbage at once. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
