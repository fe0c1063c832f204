import { get } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect, type SecureVersion } from "node:tls";
import {
  assembleSigned,
  type CertificateTemplate,
  encodeCsr,
  encodeTbsCertificate,
  parseCertificate,
  pemEncode,
  sha256Hex,
} from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttackerClient, admission } from "../../support/attackers/attacker-client.ts";
import { AttackerDevice } from "../../support/attackers/attacker-device.ts";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { testSigner } from "../../support/keys/test-signer.ts";
import { testSerial } from "../../support/pki/test-pki.ts";

let controller: RealController;
let good: AttackerDevice;
/** Holds a certificate that ends while the other tests run. */
let shortLived: AttackerDevice;

beforeAll(async () => {
  controller = await realController({
    profiles: "profiles:\n  short:\n    validity: 10s\n",
    settings: { graceAfterProof: "1ms" },
  });
  good = await new AttackerDevice(controller, "good-1").join();
  shortLived = new AttackerDevice(controller, "short-1");
  expect(await shortLived.enrol(await controller.claim({ profile: "short" }))).toMatchObject({ type: "issued" });
  expect(await shortLived.ask(shortLived.activatedBody())).toMatchObject({ type: "confirmed" });
});
afterAll(() => controller.close());

/** The refusal of the operational listener, after which nothing has changed and the good device gets in. */
async function refusalOf(tls: ConnectionOptions, clientId = good.id): Promise<number | "closed"> {
  let code: number | "closed" = 0;
  const left = await controller.unchangedBy(async () => {
    code = await admission(controller.endpoints.operational, { ...tls, clientId });
  });
  expect(left.filter(({ action }) => action !== "session.refused")).toEqual([]);
  expect(await admission(controller.endpoints.operational, { ...good.tls, clientId: good.id })).toBe(0);
  return code;
}

describe("a client certificate", () => {
  it.each([
    ["that is valid", -3_600_000, 3_600_000],
    ["that is expired", -7_200_000, -3_600_000],
    ["that is not valid yet", 3_600_000, 7_200_000],
  ])("of an attacker's CA with our names, %s, is refused alike on both listeners", async (_, from, to) => {
    const tls = await forged({ notBefore: from, notAfter: to });
    expect(await refusalOf(tls)).toBe(5);
    const clientId = `boot-${tls.spkiSha256.slice(0, 40)}`;
    expect(await admission(controller.endpoints.bootstrap, { ...tls, clientId })).toBe(5);
  });

  it("signed by itself, by a device, or by nobody is refused", async () => {
    const own = testSigner("P-256");
    expect(await refusalOf(await forged({ issuer: own, signer: own }))).toBe(5);
    expect(await refusalOf(await forged({ issuer: good.key, parent: good.certificate }))).toBe(5);
    expect(await refusalOf({})).toBe("closed");
  });

  it("of the fleet opens no other device's session, and no bootstrap session of another key", async () => {
    const thief = await new AttackerDevice(controller, "thief-1").join();
    expect(await refusalOf(thief.tls, good.id)).toBe(5);
    expect(await refusalOf(thief.tls, "nobody-1")).toBe(5);
    const clientId = `boot-${sha256Hex(good.key.spki).slice(0, 40)}`;
    expect(await admission(controller.endpoints.bootstrap, { ...thief.tls, clientId })).toBe(5);
  });

  it("of the controller's own or of a person opens no device session", async () => {
    const { duties, operations } = controller.running;
    const { credential } = await duties.listeners.ensure({ name: "broker", hosts: ["localhost", "127.0.0.1"] });
    const cert = credential.chain.map((der) => pemEncode("CERTIFICATE", der)).join("");
    expect(await refusalOf({ cert, key: credential.tlsKey }, "broker")).toBe(5);
    const key = testSigner("P-256");
    const csr = await encodeCsr({ signer: key, commonName: "alice" });
    const { certificate } = await operations.operators.create(administrator, { name: "alice", role: "admin", csr });
    const alice = { cert: pemEncode("CERTIFICATE", certificate), key: key.privatePem };
    expect(await refusalOf(alice, "alice")).toBe(5);
    expect(await refusalOf(alice, good.id)).toBe(5);
  });

  it("is not enough for the API: a device's, an attacker's and none are denied", async () => {
    const path = "/api/v1/devices";
    expect(await statusOf(path, good.tls)).toBe(401);
    expect(await statusOf(path, await forged({}))).toBe(401);
    expect(await statusOf(path, {})).toBe(401);
  });
});

describe("a resumed session", () => {
  it.each<SecureVersion>(["TLSv1.3", "TLSv1.2"])(
    "does not carry another identity over, nor one that was revoked (%s)",
    async (version) => {
      const victim = await new AttackerDevice(controller, `victim-${version.slice(-1)}`).join();
      const thief = await new AttackerDevice(controller, `resumer-${version.slice(-1)}`).join();
      const only = { minVersion: version, maxVersion: version };
      const sessions = await sessionsOf({ ...victim.tls, ...only }, victim.id);
      const resume = async (tls: ConnectionOptions, clientId: string): Promise<number | "closed"> => {
        for (const session of sessions) {
          const code = await admission(controller.endpoints.operational, { ...tls, ...only, session, clientId });
          if (code !== 5 && code !== "closed") return code;
        }
        return "closed";
      };
      expect(await resume(thief.tls, victim.id)).toBe("closed");
      expect(await resume({}, victim.id)).toBe("closed");
      const { revocations } = controller.running.operations;
      await revocations.revoke(administrator, { device: victim.id, reason: "keyCompromise" });
      expect(await resume(victim.tls, victim.id)).toBe("closed");
      expect(await resume({}, victim.id)).toBe("closed");
      expect(await admission(controller.endpoints.operational, { ...thief.tls, ...only, clientId: thief.id })).toBe(0);
    },
  );
});

describe("a device whose certificate has ended", () => {
  it("is refused on the operational listener and comes back by its old key over bootstrap", async () => {
    const { notAfter } = parseCertificate(shortLived.certificate);
    await sleep(Math.max(0, notAfter + 1_100 - Date.now()));
    expect(await refusalOf(shortLived.tls, shortLived.id)).toBe(5);
    const session = await shortLived.bootstrap();
    const next = testSigner("P-256");
    const renewal = await shortLived.renewBody(next);
    const event = { type: "event", name: "test", at: 0, details: {} } as const;
    const answer = await shortLived.askBootstrap(session, renewal);
    expect(answer).toMatchObject({ type: "issued", generation: 2 });
    session.stream.destroy();
    if (answer.type !== "issued") return;
    Object.assign(shortLived, { key: next, certificate: answer.certificate, generation: 2 });
    expect(await shortLived.ask(shortLived.activatedBody())).toMatchObject({ type: "confirmed" });
    expect(await shortLived.ask(event)).toEqual({ type: "received" });
  });
});

interface Forgery {
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly issuer?: ReturnType<typeof testSigner>;
  readonly signer?: ReturnType<typeof testSigner>;
  /** Presented after the leaf, and taken for its issuer's name. */
  readonly parent?: Uint8Array;
}

/** A certificate that says what the good device's says, under our issuer's name and key id, signed by somebody else. */
async function forged(
  wishes: Forgery,
): Promise<{ readonly cert: string; readonly key: string; readonly spkiSha256: string }> {
  const real = parseCertificate(good.certificate);
  const { signer = testSigner("P-256"), issuer = testSigner("P-256"), parent } = wishes;
  const now = Math.floor(Date.now() / 1000) * 1000;
  const template: CertificateTemplate = {
    serial: testSerial(),
    issuer: parent === undefined ? real.issuer.der : parseCertificate(parent).subject.der,
    subject: { commonName: good.id },
    notBefore: now + (wishes.notBefore ?? -3_600_000),
    notAfter: now + (wishes.notAfter ?? 3_600_000),
    spki: signer.spki,
    ...(real.authorityKeyId !== undefined && { authorityKeyId: real.authorityKeyId }),
    signatureAlgorithmOf: "P-256",
    basicConstraints: { ca: false },
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: ["clientAuth"],
    subjectAlternativeNames: real.subjectAlternativeNames.uris.map((uri) => ({ uri })),
  };
  const tbs = encodeTbsCertificate(template);
  const der = assembleSigned(tbs, "P-256", await issuer.sign(tbs));
  const chain = [der, parent ?? good.chain[0] ?? der, ...good.chain.slice(1)];
  return {
    cert: chain.map((one) => pemEncode("CERTIFICATE", one)).join(""),
    key: signer.privatePem,
    spkiSha256: sha256Hex(signer.spki),
  };
}

/** Every session a server hands out while a device is connected, and the one the handshake itself made. */
async function sessionsOf(tls: ConnectionOptions, clientId: string): Promise<Buffer[]> {
  const sessions: Buffer[] = [];
  const socket = connect({ ...controller.endpoints.operational, rejectUnauthorized: false, ...tls });
  socket.on("session", (session) => sessions.push(session));
  const client = new AttackerClient(socket);
  expect(await client.connectAs({ clientId })).toBe(0);
  const own = socket.getSession();
  if (own !== undefined) sessions.push(own);
  socket.destroy();
  return sessions;
}

function statusOf(path: string, tls: { readonly cert?: string; readonly key?: string }): Promise<number | undefined> {
  const { host, port } = controller.endpoints.api;
  return new Promise((resolve, reject) => {
    get({ host, port, path, rejectUnauthorized: false, ...tls }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).once("error", reject);
  });
}
