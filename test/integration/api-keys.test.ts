import { writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { connectController, type Operations } from "@fleetcert/controller";
import { encodeCsr, pemEncode } from "@fleetcert/shared";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isAllowed } from "../../controller/src/access/permissions.ts";
import { routes } from "../../controller/src/access/routes.ts";
import type { Role } from "../../controller/src/records.ts";
import { administrator, type RealController, realController } from "../support/controller/real-controller.ts";
import { testSigner } from "../support/keys/test-signer.ts";

const roles: Role[] = ["viewer", "auditor", "field", "factory", "operator", "security", "approver", "admin"];

interface Credential {
  readonly cert?: string;
  readonly key?: string;
  readonly bearer?: string;
}

describe("an API key over HTTPS", () => {
  let folder: string;
  let controller: RealController;
  let root: string;

  beforeAll(async () => {
    controller = await realController({ settings: { bounds: { revokeAlone: 1 } } });
    folder = controller.data;
    root = pemEncode("CERTIFICATE", controller.running.root);
    await writeFile(join(folder, "root.pem"), root);
  });
  afterAll(async () => {
    await controller?.close();
  });

  it("lets every role do exactly what the table says on every route, as its certificate does", async () => {
    for (const role of roles) {
      const identity = await anOperator(`all-${role}`, role);
      const ways: Record<string, Credential> = { certificate: identity, key: { bearer: await aKey(`all-${role}`) } };
      for (const [way, credential] of Object.entries(ways)) {
        const denied: string[] = [];
        for (const route of routes) if ((await statusOf(credential, route)) === 403) denied.push(route.name);
        const expected = routes.filter(({ permission }) => !isAllowed(role, permission)).map(({ name }) => name);
        expect(denied, `${role} by ${way}`).toEqual(expected);
      }
    }
  }, 120_000);

  it("is shown once, is kept as a hash, and is audited with the operator it stands for", async () => {
    await anOperator("carla", "operator");
    const text = await aKey("carla");
    const [, id = "", secret = ""] = text.split(".");
    const client = await clientWith(text);
    await client.claims.create(administrator, { maxUses: 1, validFor: 60_000 });
    const entries = await controller.running.operations.audit.list(administrator, {});
    expect(entries.filter(({ actor }) => actor === `operator:carla#${id}`)).toMatchObject([
      { action: "claim.created" },
    ]);
    const { items } = await controller.running.operations.operators.listKeys(administrator, {});
    expect(items.map((key) => key.id)).toContain(id);
    expect(JSON.stringify([items, entries])).not.toContain(secret);
  });

  it("ends with its time, by being ended, and with its operator", async () => {
    await anOperator("dora", "viewer");
    const short = await aKey("dora", 1000);
    const ended = await aKey("dora");
    const last = await aKey("dora");
    const read = async (text: string) => (await clientWith(text)).devices.list(administrator, {});
    await expect(read(last)).resolves.toBeDefined();
    await controller.running.operations.operators.revokeKey(administrator, ended.split(".")[1] ?? "");
    await expect(read(ended)).rejects.toMatchObject({ code: "unauthenticated" });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await expect(read(short)).rejects.toMatchObject({ code: "unauthenticated" });
    await controller.running.operations.operators.disable(administrator, "dora");
    await expect(read(last)).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(aKey("dora")).rejects.toMatchObject({ code: "conflict" });
  });

  it("opens nothing when it is wrong, malformed, beside a certificate, or when there is none", async () => {
    const identity = await anOperator("emil", "admin");
    const text = await aKey("emil");
    const wrong: readonly Credential[] = [
      {},
      { bearer: "" },
      { bearer: `${text}x` },
      { bearer: text.slice(0, -1) },
      { bearer: text.replace(/.$/, (last) => (last === "A" ? "Q" : "A")) },
      { bearer: `fck1.${"0".repeat(16)}.${"A".repeat(43)}` },
      { bearer: "x".repeat(5000) },
      { ...identity, bearer: text },
    ];
    const route = { method: "GET", path: "/devices" };
    for (const credential of wrong) expect(await statusOf(credential, route), credential.bearer).toBe(401);
    expect(await statusOf({ bearer: text }, route)).toBe(200);
  });

  it("does not make a second person of its operator", async () => {
    await anOperator("fred", "admin");
    const client = await clientWith(await aKey("fred"));
    const asked = client.bounds.set(administrator, "revoke", 50);
    await expect(asked).rejects.toMatchObject({ code: "second-person-required" });
    const plan = (await client.plans.list(administrator, {})).find(({ state }) => state === "open");
    const other = await clientWith(await aKey("fred"));
    await expect(other.plans.approve(administrator, plan?.hash ?? "")).rejects.toMatchObject({ code: "denied" });
    await anOperator("gina", "approver");
    const second = await clientWith(await aKey("gina"));
    await second.plans.approve(administrator, plan?.hash ?? "");
    expect((await client.bounds.show(administrator))["revoke"]).toBe(50);
  });

  async function anOperator(name: string, role: Role): Promise<Credential> {
    const signer = testSigner("P-256");
    const csr = await encodeCsr({ signer, commonName: name });
    const made = await controller.running.operations.operators.create(administrator, { name, role, csr });
    const cert = [made.certificate, ...made.chain].map((der) => pemEncode("CERTIFICATE", der)).join("");
    return { cert, key: signer.privatePem };
  }

  async function aKey(operator: string, validFor = 3_600_000): Promise<string> {
    return (await controller.running.operations.operators.createKey(administrator, { operator, validFor })).text;
  }

  async function clientWith(text: string): Promise<Operations> {
    const file = join(folder, "api-key");
    await writeFile(file, `${text}\n`, { mode: 0o600 });
    const url = `https://127.0.0.1:${controller.endpoints.api.port}`;
    return connectController({ url, apiKey: file, root: join(folder, "root.pem") }, {});
  }

  function statusOf(
    { bearer, ...tls }: Credential,
    { method, path }: { readonly method: string; readonly path: string },
  ): Promise<number> {
    const agent = new Agent({ ca: root, ...tls, maxCachedSessions: 0 });
    return new Promise((resolve, reject) => {
      const asking = request({
        ...{ agent, method, host: "127.0.0.1", port: controller.endpoints.api.port },
        path: `/api/v1${path.replaceAll(/:[a-z]+/g, "nothing")}`,
        headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
      });
      asking.on("response", (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      asking.on("error", reject);
      asking.end();
    }).finally(() => agent.destroy()) as Promise<number>;
  }
});
