import { isFleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { RevocationWorld, serialOf } from "../../../test/support/revocation/revocation-world.ts";
import { answerLocal } from "./answer-local.ts";
import type { StatusView } from "./status-view.ts";

let world: RevocationWorld;
let agent: Parameters<typeof answerLocal>[0];
beforeAll(async () => {
  world = await RevocationWorld.begin();
  const { cache } = await world.device({ keepsLists: false });
  const { envelope } = await world.publish(4, [{ shard: 1, revoked: [7], snapshotEpoch: 4 }]);
  const offered = cache.examine(envelope, { issuer: world.issuer.id, via: "mqtt" });
  if (offered !== undefined) await cache.apply(offered, world.retained(), new AbortController().signal);
  const courier = { pack: neverAsked, apply: neverAsked };
  agent = {
    status: () => ({}) as StatusView,
    renew: ({ slot = "identity" } = {}) => ({ slot, generation: 2 }),
    revocation: cache,
    courier,
  };
});

const neverAsked = () => Promise.reject(new Error("nobody asks the courier here"));
const ask = (path: string, method = "GET") =>
  answerLocal(agent, { method, path, body: new Uint8Array(), signal: new AbortController().signal });

describe("the local socket, asked to renew", () => {
  it.each([
    ["/v1/renew", { accepted: true, slot: "identity", generation: 2 }],
    ["/v1/renew?slot=web", { accepted: true, slot: "web", generation: 2 }],
    ["/v1/renew?dry-run=true", { accepted: false, slot: "identity", generation: 2 }],
    ["/v1/renew?slot=web&dry-run=true", { accepted: false, slot: "web", generation: 2 }],
  ])("answers %s", async (path, answer) => {
    expect(await ask(path, "POST")).toEqual(answer);
  });

  it.each(["slot=web&slot=mail", "dry-run=true&dry-run=true", "dry-run=false", "slots=web", "slot=web&now"])(
    "calls %s malformed",
    async (query) => {
      await expect(ask(`/v1/renew?${query}`, "POST")).rejects.toMatchObject({ code: "request-invalid" });
    },
  );
});

describe("the local socket, asked for revocation", () => {
  it("answers good, revoked and unknown with epoch and age", async () => {
    const about = (index: number, issuer = world.issuer.id) =>
      ask(`/v1/revocation/${issuer}/${serialOf(1, index).hex}`);
    const epoch = { era: 1, epoch: 4, age: 0, isStale: false };
    expect(await about(7)).toMatchObject({ status: "revoked", issuer: world.issuer.id, epoch });
    expect(await about(8)).toMatchObject({ status: "good", epoch });
    expect(await about(5000)).toMatchObject({ status: "unknown", why: "too-old", epoch });
    expect(await about(7, "0".repeat(64))).toMatchObject({ status: "unknown", why: "not-ours" });
    expect(await about(7, world.other.id)).toMatchObject({ status: "unknown", why: "nothing-held" });
    expect(await ask(`/v1/revocation/${world.issuer.id}/1234`)).toMatchObject({ status: "unknown", why: "not-ours" });
    expect(await ask(`/v1/revocation/${serialOf(1, 7).hex}`)).toMatchObject([{ status: "revoked" }]);
    expect(await ask(`/v1/revocation/${serialOf(1, 8).hex}?slot=web`)).toMatchObject([{ status: "good" }]);
  });

  it.each([
    `/v1/revocation/${"g".repeat(64)}/01`,
    `/v1/revocation/${"A".repeat(64)}/01`,
    `/v1/revocation/${"a".repeat(63)}/01`,
    "/v1/revocation//01",
    `/v1/revocation/${"a".repeat(64)}/`,
    `/v1/revocation/${"a".repeat(64)}/xyz`,
    `/v1/revocation/${"a".repeat(64)}/${"1".repeat(50)}`,
    `/v1/revocation/${"a".repeat(64)}/%2e%2e`,
    "/v1/revocation/-1",
    "/v1/revocation/",
    `/v1/revocation/${"a".repeat(64)}/01?slot=`,
    `/v1/revocation/${"a".repeat(64)}/01?slots=web`,
    `/v1/revocation/${"a".repeat(64)}/01?slot=a/b`,
  ])("calls %s malformed", async (path) => {
    await expect(ask(path)).rejects.toMatchObject({ code: "request-invalid" });
  });

  it.each([
    ["POST", "/v1/revocation"],
    ["GET", "/v1/revocation/a/b/c"],
    ["GET", "/v2/revocation"],
    ["DELETE", "/v1/status"],
  ])("knows no %s %s", async (method, path) => {
    await expect(ask(path, method)).rejects.toMatchObject({ code: "not-found" });
  });

  it("answers any path with a verdict or a typed error, and never good for what it cannot know", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: "binary" })), async (tail) => {
        try {
          const answer = await ask(`/v1/revocation/${world.issuer.id}/${tail}`);
          if ((answer as { status: string }).status !== "unknown")
            expect(tail.slice(0, 6).toLowerCase()).toBe("010001");
        } catch (error) {
          if (!isFleetError(error)) throw error;
          expect(["request-invalid", "not-found"]).toContain(error.code);
        }
      }),
    );
  });
});
