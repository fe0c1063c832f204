import type { Body, Message } from "@fleetcert/proto";
import { DeviceId, quoteQualifyingData } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { KeptLog, settled } from "../../../test/support/agent/agent-surroundings.ts";
import { MakeBelieveTpm } from "../../../test/support/keys/make-believe-tpm.ts";
import { memoryKeyProvider } from "../../../test/support/keys/memory-key-provider.ts";
import type { KeyAttestor } from "../ports.ts";
import { QuoteAnswers } from "./answer-quote.ts";

const request = (fill: number) => ({
  nonce: new Uint8Array(32).fill(fill),
  pcrs: [{ hash: "sha256" as const, indices: [0] }],
});

async function aDevice(answer: (body: Body) => Promise<Body>) {
  const tpm = new MakeBelieveTpm();
  const asked: Uint8Array[] = [];
  const told: Body[] = [];
  const attestor: KeyAttestor = {
    identify: async () => tpm.identity,
    activate: async (credential) => tpm.activate(credential),
    certifyKey: async () => tpm.certify(tpm.newKey(), { device: "pump-1", generation: 1 }),
    async quote(pcrs, qualifyingData) {
      asked.push(qualifyingData);
      return tpm.quote(pcrs, { device: "pump-1", nonce: new Uint8Array(32) });
    },
  };
  const conversation = {
    async ask(body: Body) {
      told.push(body);
      return { body: await answer(body) } as Message;
    },
    tell: async () => undefined,
  };
  const log = new KeptLog();
  const quotes = new QuoteAnswers({ device: "pump-1", attestor, conversation, log });
  const signer = await memoryKeyProvider().generate({ algorithm: "P-256", label: "fleetcert:pump-1:identity:1" });
  const ask = (fill: number) => quotes.answer(request(fill), signer, new AbortController().signal);
  return { ask, asked, told, log };
}

describe("a device that is asked for its PCRs", () => {
  it("has its TPM state them for itself and this nonce, and tells", async () => {
    const { ask, asked, told } = await aDevice(async () => ({ type: "received" }));
    ask(1);
    await settled();
    const { nonce } = request(1);
    expect(asked).toEqual([quoteQualifyingData({ device: DeviceId.parse("pump-1"), nonce })]);
    expect(told).toMatchObject([{ type: "quote", nonce, values: [new Uint8Array(32)] }]);
  });

  it("answers one question after the other, and no more than four that wait", async () => {
    const { ask, told } = await aDevice(async () => ({ type: "received" }));
    for (const fill of [1, 2, 3, 4, 5, 6]) ask(fill);
    await settled();
    expect(told.map((body) => body.type === "quote" && body.nonce[0])).toEqual([1, 2, 3, 4]);
    ask(7);
    await settled();
    expect(told).toHaveLength(5);
  });

  it("goes on after a question that could not be answered", async () => {
    let isFirst = true;
    const { ask, told, log } = await aDevice(async () => {
      if (!isFirst) return { type: "received" };
      isFirst = false;
      throw new Error("no session");
    });
    ask(1);
    ask(2);
    await settled();
    expect(told).toHaveLength(2);
    expect(log.lines.map(({ event }) => event)).toEqual(["quote not answered", "quote answered"]);
  });
});
