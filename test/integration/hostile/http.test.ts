import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttackerDevice } from "../../support/attackers/attacker-device.ts";
import { type RealController, realController } from "../../support/controller/real-controller.ts";

let controller: RealController;
let good: AttackerDevice;
beforeAll(async () => {
  controller = await realController();
  good = await new AttackerDevice(controller, "good-1").join();
});
afterAll(() => controller.close());

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly body?: string | Uint8Array;
  readonly type?: string;
}

interface Answered {
  readonly status: number;
  readonly body: string;
}

/** Asks the public port, or the socket of the host's administrator. */
function ask(where: "public" | "socket", { method = "GET", path, body, type }: Asked): Promise<Answered> {
  const { http, adminSocket } = controller.endpoints;
  const target = where === "public" ? { host: http.host, port: http.port } : { socketPath: adminSocket };
  return new Promise((resolve, reject) => {
    const headers = type === undefined ? {} : { "content-type": type };
    const asking = request({ ...target, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    asking.on("error", reject);
    asking.end(body);
  });
}

const json = "application/json";
const claims = "/api/v1/claims";

describe("a request nobody should send", () => {
  it.each<[string, "public" | "socket", Asked]>([
    ["a path that climbs", "public", { path: "/crl/../../etc/passwd" }],
    ["a path that climbs in disguise", "public", { path: "/crl/%2e%2e%2f%2e%2e%2fetc/passwd" }],
    ["an issuer that is none", "public", { path: "/crl/x/0.crl" }],
    ["a shard that is none", "public", { path: `/crl/${"a".repeat(64)}/99999999.crl` }],
    ["a path that cannot be decoded", "public", { path: "/crl/%zz/0.crl" }],
    ["a path without end", "public", { path: `/${"x".repeat(10_000)}` }],
    ["a body where none belongs", "public", { method: "POST", path: "/metrics", body: "x".repeat(5_000), type: json }],
    ["the API at the public port", "public", { path: "/api/v1/devices" }],
    ["a body that is cut off", "socket", { method: "POST", path: claims, body: '{"maxUses": 1', type: json }],
    ["a body that is no JSON", "socket", { method: "POST", path: claims, body: randomBytes(100), type: json }],
    ["a body of another type", "socket", { method: "POST", path: claims, body: "maxUses=1", type: "text/plain" }],
    ["a body without end", "socket", { method: "POST", path: claims, body: `"${"x".repeat(3e6)}"`, type: json }],
    [
      "an unknown field",
      "socket",
      { method: "POST", path: claims, body: '{"maxUses":1,"validFor":5000,"x":1}', type: json },
    ],
    ["a poisoned prototype", "socket", { method: "POST", path: claims, body: '{"__proto__":{"a":1}}', type: json }],
    [
      "a number out of bounds",
      "socket",
      { method: "POST", path: claims, body: '{"maxUses":1e99,"validFor":5000}', type: json },
    ],
    ["a filter that is none", "socket", { path: "/api/v1/devices?filter=%3D%3D%3D" }],
    ["a page that is none", "socket", { path: "/api/v1/devices?limit=-1" }],
    ["a device that is none", "socket", { path: "/api/v1/devices/..%2f..%2fetc" }],
    ["a route that is none", "socket", { path: "/api/v1/nothing" }],
    [
      "a bundle that is none",
      "socket",
      { method: "POST", path: "/api/v1/trust", body: '{"bundle":"AAAA"}', type: json },
    ],
  ])("is answered with what is wrong, and changes nothing: %s", async (_, where, asked) => {
    const left = await controller.unchangedBy(async () => {
      const { status, body } = await ask(where, asked);
      expect([status >= 400 && status < 500, status, body.slice(0, 200)]).toEqual([true, status, body.slice(0, 200)]);
      expect(JSON.parse(body)).toMatchObject({ code: expect.stringMatching(/^[a-z-]+$/), detail: expect.any(String) });
      expect(body).not.toContain("/work/");
      expect(body).not.toContain("node:");
    });
    expect(left).toEqual([]);
  });
});

describe("octets that are no protocol at all", () => {
  it("end their connection on every port, and everybody else is served", async () => {
    const { operational, bootstrap, http, api } = controller.endpoints;
    const left = await controller.unchangedBy(async () => {
      const sockets = [operational, bootstrap, http, api].flatMap(({ port }) =>
        Array.from({ length: 10 }, () => connectTcp(port, "127.0.0.1")),
      );
      for (const socket of sockets) socket.on("error", () => undefined).end(randomBytes(5_000));
      const talkers = [operational, bootstrap, api].map(({ port }) =>
        connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false }),
      );
      for (const socket of talkers) socket.on("error", () => undefined).end(randomBytes(5_000));
      const ends = [...sockets, ...talkers].map((socket) => {
        socket.resume();
        return new Promise((resolve) => (socket.closed ? resolve(undefined) : socket.once("close", resolve)));
      });
      await Promise.all(ends);
    });
    expect(left).toEqual([]);
    expect(await good.ask(good.activatedBody())).toMatchObject({ type: "confirmed" });
    expect((await ask("public", { path: "/readyz" })).status).toBe(200);
    expect((await ask("socket", { path: "/api/v1/devices" })).status).toBe(200);
  });
});
