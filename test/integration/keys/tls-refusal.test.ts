import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pemEncode } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { MqttLink } from "../../../agent/src/adapters/link/mqtt-link.ts";
import type { Credential } from "../../../agent/src/ports.ts";
import { memoryKeyProvider } from "../../support/keys/memory-key-provider.ts";
import { type LeafWishes, type TestPki, testPki, testSerial } from "../../support/pki/test-pki.ts";
import { rootPem, softwareIdentity } from "../../support/pki/tls-identity.ts";
import { type Mosquitto, mosquittoPart, startMosquitto } from "../../support/programs/mosquitto.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

const hour = 3_600_000;

/** An external broker judges certificates inside TLS: what it says there must not be taken for a broken network. */
describeWith([mosquittoPart], "an agent that a broker refuses inside TLS", () => {
  const now = Date.now();
  const directory = mkdtempSync(join(tmpdir(), "fleetcert-tls-refusal-"));
  const revoked = testSerial();
  let pki: TestPki;
  let broker: Mosquitto;
  beforeAll(async () => {
    pki = await testPki();
    const server = await softwareIdentity(pki, "broker", { subjectAlternativeNames: [{ ip: "127.0.0.1" }] });
    const validity = { thisUpdate: now - hour, nextUpdate: now + hour };
    const entries = [{ serial: revoked, revokedAt: now - hour, reason: "keyCompromise" as const }];
    const crlFile = join(directory, "crl.pem");
    writeFileSync(crlFile, pemEncode("X509 CRL", await pki.issueCrl({ ...validity, entries })));
    broker = await startMosquitto({ server, ca: rootPem(pki), acl: "pattern readwrite fleet/%u/#\n", crlFile });
  });
  afterAll(async () => {
    await broker?.stop();
    rmSync(directory, { recursive: true });
  });

  async function connect(wishes: LeafWishes, by: TestPki = pki): Promise<string> {
    const key = await memoryKeyProvider().generate({ algorithm: "P-256", label: "device" });
    const leaf = await by.issueLeaf({
      ...{ commonName: "pump-1", notBefore: now - 2 * hour, notAfter: now + hour, ...wishes },
      signer: { ...key, privatePem: "", sign: (m) => key.sign(m), algorithm: key.algorithm, spki: key.spki },
    });
    const credential: Credential = {
      ...{ key, generation: 1, certificate: leaf.certificate.der },
      chain: [by.issuing.certificate.der],
    };
    const link = new MqttLink({ patience: 10_000 });
    const where = { host: "127.0.0.1", port: broker.port, device: "pump-1", credential };
    try {
      const session = await link.open(
        { type: "operational", ...where },
        {
          verifyServer: () => undefined,
          events: { message: () => undefined, closed: () => undefined },
          signal: new AbortController().signal,
        },
      );
      await session.close();
      return "accepted";
    } catch (error) {
      return (error as { readonly code: string }).code;
    }
  }

  it("is accepted while nothing stands against it", async () => {
    expect(await connect({})).toBe("accepted");
  });

  it.each<[string, LeafWishes]>([
    ["has expired", { notAfter: now - hour }],
    ["is revoked by the broker's list", { serial: revoked }],
  ])("hears that it is denied when its certificate %s", async (_, wishes) => {
    await eventuallyDenied(() => connect(wishes));
  });

  it("hears that it is denied when its certificate is of another CA", async () => {
    const elsewhere = await testPki();
    await eventuallyDenied(() => connect({}, elsewhere));
  });

  /** In TLS 1.3 the alert may be lost to the reset that follows it: then the agent tries again, as it does with any outage. */
  async function eventuallyDenied(attempt: () => Promise<string>): Promise<void> {
    const heard = new Set<string>();
    for (let tries = 0; tries < 20 && !heard.has("denied"); tries++) heard.add(await attempt());
    expect([...heard].filter((code) => code !== "offline")).toEqual(["denied"]);
  }
});
