import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCertificate, pemEncode, type Signer, signCertificate } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  anEnrolledDevice,
  startTestController,
  type TestController,
} from "../../../test/support/controller/controller.ts";
import { testSigner } from "../../../test/support/keys/test-signer.ts";
import { gnutlsPart, runGnutls } from "../../../test/support/programs/certtool.ts";
import { describeWith } from "../../../test/support/programs/optional-part.ts";
import { liftHold, recordRevocation } from "../revocation/record-revocation.ts";
import { openResponder, type ResponderParts } from "./responder.ts";

const hour = 3_600_000;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fleetcert-ocsp-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A controller at the present, as OpenSSL judges answers by its own clock, with a delegated responder. */
async function begin(changes: Partial<ResponderParts> = {}) {
  const controller = await startTestController({ config: "maxClockLeap: 400d" });
  controller.world.clock.advance(Date.now() - controller.world.clock.now());
  const key = testSigner("P-256");
  let certificate = await responderCertificate(controller, key);
  let signatures = 0;
  let distrustedAt: number | undefined;
  const signer: Signer = {
    ...key,
    sign(message) {
      signatures += 1;
      return key.sign(message);
    },
  };
  const responder = openResponder({
    store: controller.store,
    clock: controller.world.clock,
    issuers: () => [
      {
        ...{ id: controller.authority.id, certificate: controller.authority.certificate, distrustedAt },
        credential: { signer, certificate, notAfter: parseCertificate(certificate).notAfter },
      },
    ],
    lifetime: 4 * hour,
    signaturesPerSecond: 100,
    ...changes,
  });
  const device = await anEnrolledDevice(controller, "edge-1");
  return {
    controller,
    responder,
    device,
    signatures: () => signatures,
    distrust() {
      distrustedAt = controller.world.clock.now() - hour;
    },
    replaceCertificate: (der: Uint8Array) => {
      certificate = der;
    },
  };
}

async function responderCertificate(controller: TestController, key: Signer, ca = false): Promise<Uint8Array> {
  const { issuance, world } = controller;
  if (!ca) {
    const record = await issuance.toController({
      ...{ actor: "controller", commonName: "ocsp", usage: "ocspSigning", hosts: [], profile: "listener" },
      ...{ spki: key.spki, keyAlgorithm: "P-256", validity: 30 * 24 * hour, backdate: hour },
      commit: async () => undefined,
    });
    return record.der;
  }
  const { serial, subject, notBefore, notAfter } = parseCertificate(world.pki.issuing.der);
  return await signCertificate(
    {
      ...{ serial, notBefore, notAfter, issuer: subject.der, spki: key.spki, issuerSpki: key.spki },
      ...{ subject: { commonName: "somebody else" }, keyUsage: ["digitalSignature"], signatureAlgorithmOf: "P-256" },
    },
    key,
  );
}

/** DER of a request for one certificate, made by OpenSSL. */
function requestFor(
  controller: TestController,
  leaf: Uint8Array,
  options: readonly string[] = ["-no_nonce"],
): Uint8Array {
  writeChain(controller, leaf);
  openssl(["ocsp", "-issuer", "ca.pem", "-cert", "leaf.pem", ...options, "-reqout", "request.der"]);
  return new Uint8Array(readFileSync(join(folder, "request.der")));
}

/** What OpenSSL makes of a response to that request. */
function opensslReads(response: Uint8Array): string {
  writeFileSync(join(folder, "response.der"), response);
  const args = ["ocsp", "-issuer", "ca.pem", "-cert", "leaf.pem", "-respin", "response.der", "-CAfile", "root.pem"];
  return openssl([...args, "-no_nonce", "-verify_other", "ca.pem"]);
}

function writeChain(controller: TestController, leaf: Uint8Array): void {
  const { issuing, root } = controller.world.pki;
  writeFileSync(join(folder, "leaf.pem"), pemEncode("CERTIFICATE", leaf));
  writeFileSync(join(folder, "ca.pem"), pemEncode("CERTIFICATE", issuing.der));
  writeFileSync(join(folder, "root.pem"), pemEncode("CERTIFICATE", root.der));
}

function openssl(args: readonly string[]): string {
  const { stdout, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8", timeout: 20_000 });
  return `${stdout}${stderr}`;
}

describeWith([gnutlsPart], "the OCSP responder", () => {
  it("says good, revoked with reason and time, and unknown, believed by OpenSSL and GnuTLS", async () => {
    const { controller, responder, device } = await begin();
    const request = requestFor(controller, device.certificate);
    const good = await responder.answer(request);
    expect(opensslReads(good.der)).toMatch(/leaf.pem: good[\s\S]*Response verify OK/);
    const files = { "response.der": good.der, "request.der": request, ...gnutlsFiles(controller, device.certificate) };
    const args = ["--verify-response", "--load-response", "response.der", "--load-trust", "ca.pem"];
    expect(runGnutls("ocsptool", args, files).output).toContain("Verifying OCSP Response: Success.");

    await controller.revocation.revoke("local", { device: "edge-1", reason: "keyCompromise" });
    expect(opensslReads((await responder.answer(request)).der)).toMatch(
      /leaf.pem: revoked[\s\S]*Reason: keyCompromise/,
    );

    const stranger = await signedByIssuer(controller);
    const unknown = await responder.answer(requestFor(controller, stranger));
    expect(opensslReads(unknown.der)).toMatch(/leaf.pem: unknown/);
  });

  it("follows a hold at once, and its end, before any list is published", async () => {
    const { controller, responder, device } = await begin();
    const { issuer } = controller.revocation;
    const request = requestFor(controller, device.certificate);
    const { serial } = parseCertificate(device.certificate);
    expect(opensslReads((await responder.answer(request)).der)).toContain("leaf.pem: good");
    const at = controller.world.clock.now();
    await controller.store.transaction(async (tx) => {
      const certificate = await tx.certificates.findBySerial(issuer, serial.hex);
      if (certificate !== undefined) await recordRevocation(tx, certificate, { reason: "certificateHold", at });
    });
    expect(opensslReads((await responder.answer(request)).der)).toMatch(/revoked[\s\S]*certificateHold/);
    await controller.store.transaction((tx) => liftHold(tx, { issuer, serial: serial.hex, at }));
    expect(opensslReads((await responder.answer(request)).der)).toContain("leaf.pem: good");
  });

  it("signs an answer once for all who ask without a nonce, and again at half its time while it is asked for", async () => {
    const { controller, responder, device, signatures } = await begin();
    const request = requestFor(controller, device.certificate);
    const first = await responder.answer(request);
    expect((await responder.answer(request)).der).toEqual(first.der);
    expect(signatures()).toBe(1);
    expect(await responder.renewAnswers()).toBe(0);
    controller.world.clock.advance(2 * hour + 60_000);
    expect(await responder.renewAnswers()).toBe(1);
    const renewed = await responder.answer(request);
    expect(renewed.lifetime?.nextUpdate).toBeGreaterThan((first.lifetime?.nextUpdate ?? 0) + hour);
    expect(signatures()).toBe(2);
    controller.world.clock.advance(3 * hour + 300_000);
    await responder.answer(request);
    expect(signatures()).toBe(3);
  });

  it("repeats a nonce in an answer for that asker alone, as long as it may sign", async () => {
    const { controller, responder, device } = await begin({ signaturesPerSecond: 2 });
    const request = requestFor(controller, device.certificate, ["-nonce"]);
    const answer = await responder.answer(request);
    expect(answer.lifetime).toBeUndefined();
    writeFileSync(join(folder, "response.der"), answer.der);
    const args = [
      "ocsp",
      "-issuer",
      "ca.pem",
      "-reqin",
      "request.der",
      "-respin",
      "response.der",
      "-CAfile",
      "root.pem",
    ];
    const read = openssl([...args, "-text"]);
    expect(read).toContain("Response verify OK");
    expect(read).not.toContain("WARNING: no nonce in response");
    expect((await responder.answer(request)).lifetime).toBeUndefined();
    expect(Buffer.from((await responder.answer(request)).der).toString("hex")).toBe(tryLater);
    controller.world.clock.advance(1000);
    const plain = requestFor(controller, device.certificate);
    await responder.answer(plain);
    await responder.answer(request);
    expect((await responder.answer(request)).lifetime).toBeDefined();
  });

  it("refuses what is malformed, what another issuer has issued, and everything while it has no certificate", async () => {
    const { controller, responder, device } = await begin();
    const other = await startTestController();
    const hex = async (request: Uint8Array) => Buffer.from((await responder.answer(request)).der).toString("hex");
    expect(await hex(Uint8Array.of(0x30, 0))).toBe(malformed);
    expect(await hex(requestFor(other, (await anEnrolledDevice(other, "edge-1")).certificate))).toBe(unauthorized);
    const silent = openResponder({
      ...{ store: controller.store, clock: controller.world.clock, lifetime: hour, signaturesPerSecond: 1 },
      issuers: () => [{ ...controller.authority, credential: undefined, distrustedAt: undefined }],
    });
    const { der } = await silent.answer(requestFor(controller, device.certificate));
    expect(Buffer.from(der).toString("hex")).toBe(tryLater);
  });

  it("says of a distrusted CA that all of its certificates are revoked, also one that it never gave out here", async () => {
    const { controller, responder, device, distrust } = await begin();
    const request = requestFor(controller, device.certificate);
    expect(opensslReads((await responder.answer(request)).der)).toContain("leaf.pem: good");
    distrust();
    expect(opensslReads((await responder.answer(request)).der)).toMatch(/revoked[\s\S]*Reason: cACompromise/);
    const forged = await responder.answer(requestFor(controller, await signedByIssuer(controller)));
    expect(opensslReads(forged.der)).toMatch(/leaf.pem: revoked[\s\S]*Reason: cACompromise/);
  });

  it("is not believed by OpenSSL under a certificate that the issuing CA did not delegate to", async () => {
    const { controller, responder, device, replaceCertificate } = await begin();
    replaceCertificate(await responderCertificate(controller, testSigner("P-256"), true));
    const { der } = await responder.answer(requestFor(controller, device.certificate));
    expect(opensslReads(der)).not.toContain("Response verify OK");
  });
});

function gnutlsFiles(controller: TestController, leaf: Uint8Array) {
  const { issuing } = controller.world.pki;
  return { "ca.pem": pemEncode("CERTIFICATE", issuing.der), "leaf.pem": pemEncode("CERTIFICATE", leaf) };
}

/** A certificate with the issuer's name that it has never issued. */
async function signedByIssuer(controller: TestController): Promise<Uint8Array> {
  const key = testSigner("P-256");
  const { issuing } = controller.world.pki;
  const serial = parseCertificate(issuing.der).serial;
  const now = controller.world.clock.now();
  const validity = { notBefore: Math.floor(now / 1000) * 1000, notAfter: Math.floor(now / 1000) * 1000 + hour };
  const template = { serial, subject: { commonName: createHash("md5").update("x").digest("hex") }, ...validity };
  return await signCertificate(
    {
      ...template,
      issuer: parseCertificate(issuing.der).subject.der,
      spki: key.spki,
      issuerSpki: key.spki,
      signatureAlgorithmOf: "P-256",
      keyUsage: ["digitalSignature"],
    },
    key,
  );
}

const malformed = "30030a0101";
const tryLater = "30030a0103";
const unauthorized = "30030a0106";
