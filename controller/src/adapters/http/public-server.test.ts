import { afterEach, describe, expect, it } from "vitest";
import { openPublicServer, type PublicSources } from "./public-server.ts";

const issuer = "ab".repeat(32);
const thisUpdate = Date.UTC(2026, 10, 20, 12, 0, 0, 500);
const crl = { der: Uint8Array.of(0x30, 0x00), sha256: "cd".repeat(32), thisUpdate, nextUpdate: thisUpdate + 3_600_000 };

describe("what anybody may fetch", () => {
  let close: (() => Promise<void>) | undefined;
  afterEach(() => close?.());

  async function serve(overrides: Partial<PublicSources> = {}) {
    const server = await openPublicServer({
      host: "127.0.0.1",
      port: 0,
      now: () => thisUpdate + 1000,
      onInternalError: () => {},
      sources: {
        crl: async (id, shard) => (id === issuer && shard === 0 ? crl : undefined),
        readiness: async () => ({ ready: true, reasons: [], expiries: [] }),
        metrics: async () => "x 1\n",
        ...overrides,
      },
    });
    close = server.close;
    return `http://127.0.0.1:${server.port}`;
  }

  it("serves a CRL with its validators, and answers 304 when nothing changed", async () => {
    const url = `${await serve()}/crl/${issuer}/0.crl`;
    const first = await fetch(url);
    expect(first.status).toBe(200);
    expect(first.headers.get("content-type")).toBe("application/pkix-crl");
    expect(first.headers.get("cache-control")).toBe("public, max-age=300, must-revalidate");
    expect(new Uint8Array(await first.arrayBuffer())).toEqual(crl.der);
    const etag = first.headers.get("etag") ?? "";
    expect((await fetch(url, { headers: { "if-none-match": etag } })).status).toBe(304);
    expect((await fetch(url, { headers: { "if-none-match": '"other"' } })).status).toBe(200);
    const modified = first.headers.get("last-modified") ?? "";
    expect((await fetch(url, { headers: { "if-modified-since": modified } })).status).toBe(304);
    expect((await fetch(url, { method: "HEAD" })).headers.get("content-length")).toBe("2");
  });

  it("goes on with a download that was cut off, and never mixes two lists", async () => {
    const long = { ...crl, der: Uint8Array.from({ length: 100 }, (_, index) => index) };
    const url = `${await serve({ crl: async () => long })}/crl/${issuer}/0.crl`;
    const ask = async (range: string, more: Record<string, string> = {}) => {
      const answer = await fetch(url, { headers: { range, ...more } });
      const body = [...new Uint8Array(await answer.arrayBuffer())];
      return [answer.status, answer.headers.get("content-range"), body.length, body[0]];
    };
    expect(await ask("bytes=40-")).toEqual([206, "bytes 40-99/100", 60, 40]);
    expect(await ask("bytes=40-49")).toEqual([206, "bytes 40-49/100", 10, 40]);
    expect(await ask("bytes=-5")).toEqual([206, "bytes 95-99/100", 5, 95]);
    expect(await ask("bytes=90-500")).toEqual([206, "bytes 90-99/100", 10, 90]);
    expect(await ask("bytes=100-")).toEqual([416, "bytes */100", 0, undefined]);
    for (const range of ["bytes=9-3", "bytes=1-2,5-6", "lines=1-2", "bytes=-"]) {
      expect(await ask(range), range).toEqual([200, null, 100, 0]);
    }
    expect(await ask("bytes=40-", { "if-range": `"${crl.sha256}"` })).toEqual([206, "bytes 40-99/100", 60, 40]);
    expect(await ask("bytes=40-", { "if-range": '"older"' })).toEqual([200, null, 100, 0]);
  });

  it("serves the root's list where the issuing CA's certificate says", async () => {
    const base = await serve({ rootCrl: async (id) => (id === issuer ? crl : undefined) });
    expect((await fetch(`${base}/crl/${issuer}.crl`)).status).toBe(200);
    expect((await fetch(`${base}/crl/${"00".repeat(32)}.crl`)).status).toBe(404);
    expect((await fetch(`${base}/crl/x.crl`)).status).toBe(404);
  });

  it("answers 404 as a problem for shards, issuers and paths that do not exist", async () => {
    const base = await serve();
    for (const path of [`/crl/${issuer}/1.crl`, `/crl/${issuer}/00.crl`, `/crl/x/0.crl`, `/crl/${issuer}/..%2f0.crl`]) {
      const answer = await fetch(base + path);
      expect(answer.status, path).toBe(404);
      expect((await answer.json()) as object).toMatchObject({ code: "not-found" });
    }
  });

  it("says 503 with the reasons when it is not ready, and is alive all the same", async () => {
    const base = await serve({ readiness: async () => ({ ready: false, reasons: ["no command key"], expiries: [] }) });
    const answer = await fetch(`${base}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ reasons: ["no command key"] });
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${base}/metrics`)).text()).toBe("x 1\n");
  });
});
