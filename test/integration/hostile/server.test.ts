import { parseCertificate, parseClaimString, pemEncode } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type RealAgent, RealAgents } from "../../support/agent/real-agents.ts";
import { AttackerDevice } from "../../support/attackers/attacker-device.ts";
import { type AttackerServer, passingServer, terminatingServer } from "../../support/attackers/attacker-server.ts";
import { type RealController, realController } from "../../support/controller/real-controller.ts";
import { type TestCa, type TestPki, testPki } from "../../support/pki/test-pki.ts";

let controller: RealController;
let agents: RealAgents;
let evil: TestPki;
let insider: AttackerDevice;

beforeAll(async () => {
  [controller, agents, evil] = await Promise.all([realController(), RealAgents.open(), testPki()]);
  insider = await new AttackerDevice(controller, "insider-1").join();
});
afterAll(async () => {
  await agents.close();
  await controller.close();
});

const hosts = [{ ip: "127.0.0.1" }, { dns: "localhost" }];
const pem = (chain: readonly Uint8Array[]): string => chain.map((der) => pemEncode("CERTIFICATE", der)).join("");
const now = () => ({ notBefore: Date.now() - 3_600_000, notAfter: Date.now() + 3_600_000 });

/** A leaf for the right host, of an authority that is not ours. */
async function evilLeaf(issuedBy: TestCa): Promise<{ readonly der: Uint8Array; readonly key: string }> {
  const leaf = await evil.issueLeaf({
    commonName: "broker",
    subjectAlternativeNames: hosts,
    extendedKeyUsage: ["serverAuth"],
    issuedBy,
    ...now(),
  });
  return { der: leaf.certificate.der, key: leaf.signer.privatePem };
}

/** What an attacker presents: chain and key. */
const disguises: readonly (readonly [string, () => Promise<{ readonly cert: string; readonly key: string }>])[] = [
  [
    "its own CA and a certificate for the right host",
    async () => {
      const { der, key } = await evilLeaf(evil.issuing);
      return { cert: pem([der, evil.issuing.certificate.der, evil.root.certificate.der]), key };
    },
  ],
  [
    "its own CA, with our root and issuing CA behind it",
    async () => {
      const { der, key } = await evilLeaf(evil.issuing);
      const { root, duties } = controller.running;
      return { cert: pem([der, evil.issuing.certificate.der, duties.authority.certificate, root]), key };
    },
  ],
  [
    "a certificate that names our issuing CA, signed by itself",
    async () => {
      const { root, duties } = controller.running;
      const ours = duties.authority.certificate;
      const impostor = await evil.issueCa({ commonName: "x", ...now() });
      const { der, key } = await evilLeaf({ ...impostor, certificate: parseCertificate(ours) });
      return { cert: pem([der, ours, root]), key };
    },
  ],
  [
    "the certificate of a device of the fleet",
    async () => ({ cert: pem([insider.certificate, ...insider.chain]), key: insider.key.privatePem }),
  ],
];

/** Starts an agent against the attacker and waits until it has given its verdict more than once. */
async function deceived(id: string, server: AttackerServer, claim: string): Promise<RealAgent> {
  const port = { port: server.port };
  const agent = await agents.start(id, { operational: port, bootstrap: port }, claim);
  await vi.waitFor(() => expect(agent.status().slots[0]?.attempts).toBeGreaterThan(1), { timeout: 40_000 });
  return agent;
}

const settled = (agent: RealAgent): Promise<void> =>
  vi.waitFor(() => expect(agent.status().slots[0]).toMatchObject({ journal: "idle", certificate: { generation: 1 } }), {
    timeout: 40_000,
  });

describe("a machine in the middle of the first enrolment", () => {
  it.each(disguises.map(([name, present], at) => [name, present, at] as const))(
    "gets not one octet when it presents %s, and the claim is good afterwards",
    async (_, present, at) => {
      const { bootstrap } = controller.endpoints;
      const server = await terminatingServer(await present(), { relayTo: bootstrap.port });
      const claim = await controller.claim();
      const left = await controller.unchangedBy(async () => {
        const agent = await deceived(`victim-${at}`, server, claim);
        expect(agent.status().slots[0]).toMatchObject({ certificate: undefined, lastError: "path-invalid" });
        expect(server.connections()).toBeGreaterThan(1);
        expect(server.received().length).toBe(0);
        await agent.stop();
      });
      expect(left).toEqual([]);
      await server.close();
      await settled(await agents.start(`victim-${at}`, controller.endpoints));
    },
  );

  it("is seen by this test: whoever holds the controller's own key reads the secret", async () => {
    const { listeners } = controller.running.duties;
    const { credential } = await listeners.ensure({ name: "broker", hosts: ["localhost", "127.0.0.1"] });
    const stolen = { cert: pem(credential.chain), key: credential.tlsKey };
    const server = await terminatingServer(stolen, { relayTo: controller.endpoints.bootstrap.port });
    const claim = await controller.claim();
    const address = { bootstrap: { port: server.port }, operational: controller.endpoints.operational };
    const agent = await agents.start("victim-9", address, claim);
    await settled(agent);
    expect(server.received().includes(Buffer.from(parseClaimString(claim).secret.reveal(), "base64url"))).toBe(true);
    await agent.stop();
    await server.close();
  });

  it("sees no secret when it only passes octets on, and the enrolment succeeds through it", async () => {
    const claim = await controller.claim();
    const [bootstrap, operational] = [
      await passingServer(controller.endpoints.bootstrap.port),
      await passingServer(controller.endpoints.operational.port),
    ];
    const agent = await agents.start("relayed-1", { operational, bootstrap }, claim);
    await settled(agent);
    const { secret, claimId } = parseClaimString(claim);
    const seen = Buffer.concat([bootstrap.received(), operational.received()]);
    expect(seen.length).toBeGreaterThan(1_000);
    expect(seen.includes(Buffer.from(secret.reveal(), "base64url"))).toBe(false);
    expect(seen.includes(secret.reveal())).toBe(false);
    expect(seen.includes(claimId)).toBe(false);
    await agent.stop();
    await Promise.all([bootstrap.close(), operational.close()]);
  });
});

describe("a machine in the middle of an operational session", () => {
  it("gets not one octet, and the device goes on when it is gone", async () => {
    const agent = await agents.start("steady-1", controller.endpoints, await controller.claim());
    await settled(agent);
    for (const [, present] of disguises) {
      const server = await terminatingServer(await present(), { relayTo: controller.endpoints.operational.port });
      const port = { port: server.port };
      const deluded = await agent.restarted({ operational: port, bootstrap: port });
      await vi.waitFor(() => expect(deluded.status().connection?.lastError).toBe("path-invalid"), { timeout: 40_000 });
      expect(server.received().length).toBe(0);
      await deluded.stop();
      await server.close();
    }
    const back = await agents.start("steady-1", controller.endpoints);
    await vi.waitFor(() => expect(back.status().connection?.state).toBe("connected"), { timeout: 40_000 });
    expect(back.status().slots[0]).toMatchObject({ journal: "idle", certificate: { generation: 1 } });
  });
});
