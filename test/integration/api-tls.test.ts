import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { connectController, type Operations } from "@fleetcert/controller";
import { encodeCsr, pemEncode } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { administrator, type RealController, realController } from "../support/controller/real-controller.ts";
import { testSigner } from "../support/keys/test-signer.ts";
import { testPki } from "../support/pki/test-pki.ts";

describe("the API for people over TLS", () => {
  let folder: string;
  let controller: RealController;

  beforeAll(async () => {
    controller = await realController();
    folder = controller.data;
    await writeFile(join(folder, "root.pem"), pemEncode("CERTIFICATE", controller.running.root));
  });
  afterAll(async () => {
    await controller?.close();
  });

  it("lets an operator do what the role may, and audits it under the name", async () => {
    const alice = await operator("alice", "operator");
    const { claim } = await alice.claims.create(administrator, { maxUses: 1, validFor: 60_000 });
    expect(claim.createdBy).toBe("operator:alice");
    expect((await alice.devices.list(administrator, {})).items).toEqual([]);
    expect(await auditedBy("operator:alice")).toMatchObject([{ action: "claim.created", target: claim.id }]);
  });

  it("denies what the role may not, changes nothing and audits the attempt", async () => {
    const victor = await operator("victor", "viewer");
    const before = (await controller.running.operations.claims.list(administrator, {})).items.length;
    await expect(victor.claims.create(administrator, { maxUses: 1, validFor: 60_000 })).rejects.toMatchObject({
      code: "denied",
    });
    expect((await controller.running.operations.claims.list(administrator, {})).items).toHaveLength(before);
    expect(await auditedBy("operator:victor")).toMatchObject([{ action: "access.denied", outcome: "failure" }]);
  });

  it("ends an operator's access at once, and never gives the name again", async () => {
    const mallory = await operator("mallory", "admin");
    await controller.running.operations.operators.disable(administrator, "mallory");
    await expect(mallory.devices.list(administrator, {})).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(operator("mallory", "admin")).rejects.toMatchObject({ code: "already-exists" });
  });

  it("knows nobody without a certificate or with one of another CA", async () => {
    const { issueLeaf } = await testPki();
    const leaf = await issueLeaf({ commonName: "alice" });
    const stranger = await clientWith(
      "stranger",
      pemEncode("CERTIFICATE", leaf.certificate.der),
      leaf.signer.privatePem,
    );
    await expect(stranger.devices.list(administrator, {})).rejects.toMatchObject({ code: "unauthenticated" });
    expect(await rawStatus()).toBe("401");
  });

  async function auditedBy(actor: string) {
    return (await controller.running.operations.audit.list(administrator, {})).filter((entry) => entry.actor === actor);
  }

  async function operator(name: string, role: "viewer" | "operator" | "admin"): Promise<Operations> {
    const signer = testSigner("P-256");
    const csr = await encodeCsr({ signer, commonName: name });
    const made = await controller.running.operations.operators.create(administrator, { name, role, csr });
    return clientWith(
      name,
      [made.certificate, ...made.chain].map((der) => pemEncode("CERTIFICATE", der)).join(""),
      signer.privatePem,
    );
  }

  async function clientWith(name: string, certificate: string, key: string): Promise<Operations> {
    const file = (kind: string) => join(folder, `${name}.${kind}.pem`);
    await writeFile(file("cert"), certificate);
    await writeFile(file("key"), key, { mode: 0o600 });
    const url = `https://127.0.0.1:${controller.endpoints.api.port}`;
    return connectController({ url, cert: file("cert"), key: file("key"), root: join(folder, "root.pem") }, {});
  }

  /** Status of a request without a client certificate. */
  function rawStatus(): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: controller.endpoints.api.port, rejectUnauthorized: false });
      socket.on("error", reject);
      socket.on("data", (chunk) => {
        resolve(/^HTTP\/1\.1 (\d+)/.exec(chunk.toString())?.[1]);
        socket.destroy();
      });
      socket.on("secureConnect", () =>
        socket.write("GET /api/v1/devices HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"),
      );
    });
  }
});
