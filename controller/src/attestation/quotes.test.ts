import { decodeEnvelope, decodeMessage } from "@fleetcert/proto";
import type { PcrSelection } from "@fleetcert/shared";
import { describe, expect, it } from "vitest";
import { anEnrolledDevice, type TestController } from "../../../test/support/controller/controller.ts";
import { anAttestedDevice, controllerFor } from "../../../test/support/devices/attested-device.ts";
import { MakeBelieveTpm } from "../../../test/support/keys/make-believe-tpm.ts";

const pcrs: readonly PcrSelection[] = [{ hash: "sha256", indices: [0, 7] }];

/** A controller, an attested device that it has asked for PCRs, and the nonce of the question. */
async function asked() {
  const tpm = new MakeBelieveTpm();
  const controller = await controllerFor([tpm]);
  const device = await anAttestedDevice(controller, tpm);
  await controller.attestation.askQuote("operator:alice", "press-7", pcrs);
  return { tpm, controller, device, nonce: (await questions(controller)).at(-1) ?? new Uint8Array() };
}

/** Nonces of the questions that were handed to the broker. */
async function questions(controller: TestController): Promise<Uint8Array[]> {
  await controller.outbox.drain();
  return controller.published
    .filter(({ topic }) => topic === "fleetcert/1/device/press-7/down/quote")
    .map(({ payload }) => decodeMessage(decodeEnvelope(payload).payload).body)
    .flatMap((body) => (body.type === "quote-request" ? [body.nonce] : []));
}

const quoteOf = (controller: TestController) => controller.store.transaction((tx) => tx.quotes.find("press-7"));

async function auditedQuotes(controller: TestController): Promise<string[]> {
  const entries = await controller.store.transaction((tx) => tx.audit.list(1, 1000));
  return entries.map(({ action }) => action).filter((action) => action.startsWith("quote."));
}

describe("a quote", () => {
  it("is asked with a nonce, verified, kept with its values and audited", async () => {
    const { tpm, controller, device, nonce } = await asked();
    const answer = tpm.quote(pcrs, { device: "press-7", nonce });
    expect(await device.ask({ type: "quote", nonce, ...answer })).toMatchObject({ type: "received" });
    const zero = "00".repeat(32);
    expect(await quoteOf(controller)).toMatchObject({
      ...{ outcome: "verified", pcrs: "sha256:0,7", askedBy: "operator:alice", resetCount: 1 },
      values: JSON.stringify({ "sha256:0": zero, "sha256:7": zero }),
    });
    expect(await auditedQuotes(controller)).toEqual(["quote.asked", "quote.verified"]);
  });

  it("is judged once, also when the answer's receipt was lost", async () => {
    const { tpm, controller, device, nonce } = await asked();
    const body = { type: "quote", nonce, ...tpm.quote(pcrs, { device: "press-7", nonce }) } as const;
    const lie = { ...body, values: [] };
    for (const each of [body, body, lie]) expect(await device.ask(each)).toMatchObject({ type: "received" });
    expect(await quoteOf(controller)).toMatchObject({ outcome: "verified" });
    expect(await auditedQuotes(controller)).toEqual(["quote.asked", "quote.verified"]);
  });

  it.each<[string, string, (tpm: MakeBelieveTpm, nonce: Uint8Array) => ReturnType<MakeBelieveTpm["quote"]>]>([
    [
      "over other PCRs",
      "pcr-selection",
      (tpm, nonce) => tpm.quote([{ hash: "sha256", indices: [0, 8] }], { device: "press-7", nonce }),
    ],
    ["over another nonce", "nonce", (tpm) => tpm.quote(pcrs, { device: "press-7", nonce: new Uint8Array(32) })],
    ["of another device", "nonce", (tpm, nonce) => tpm.quote(pcrs, { device: "press-8", nonce })],
    ["by another TPM", "signature", (_, nonce) => new MakeBelieveTpm().quote(pcrs, { device: "press-7", nonce })],
    [
      "with other values than it states",
      "pcr-values",
      (tpm, nonce) => ({
        ...tpm.quote(pcrs, { device: "press-7", nonce }),
        values: [new Uint8Array(32), new Uint8Array(32).fill(1)],
      }),
    ],
    [
      "that is a certification",
      "nonce",
      (tpm) => ({ ...tpm.certify(tpm.newKey(), { device: "press-7", generation: 1 }), values: [] }),
    ],
  ])("%s is refused with reason %s, kept and audited", async (_, reason, lie) => {
    const { tpm, controller, device, nonce } = await asked();
    const { attest, signature, values } = lie(tpm, nonce);
    expect(await device.ask({ type: "quote", nonce, attest, signature, values })).toMatchObject({ type: "received" });
    expect(await quoteOf(controller)).toMatchObject({ outcome: "refused", reason, values: "{}" });
    expect(await auditedQuotes(controller)).toEqual(["quote.asked", "quote.refused"]);
  });

  it("that nobody asked for, or of an earlier question, is refused with message-replayed", async () => {
    const { tpm, controller, device, nonce } = await asked();
    await controller.attestation.askQuote("operator:alice", "press-7", pcrs);
    const late = { type: "quote", nonce, ...tpm.quote(pcrs, { device: "press-7", nonce }) } as const;
    expect(await device.ask(late)).toMatchObject({ type: "refused", code: "message-replayed" });
    expect(await quoteOf(controller)).toMatchObject({ outcome: "waiting" });
  });

  it("is asked again whenever the device reports, until it has answered", async () => {
    const { tpm, controller, device, nonce } = await asked();
    const report = () => device.report({ generation: 1, journal: "idle" });
    await report();
    expect(await questions(controller)).toEqual([nonce, nonce]);
    await device.ask({ type: "quote", nonce, ...tpm.quote(pcrs, { device: "press-7", nonce }) });
    await report();
    expect(await questions(controller)).toHaveLength(2);
  });

  it("is not asked of devices that have no TPM, are unknown or suspended", async () => {
    const { controller } = await asked();
    await anEnrolledDevice(controller, "edge-1");
    const ask = (device: string) => controller.attestation.askQuote("operator:alice", device, pcrs);
    await expect(ask("edge-1")).rejects.toMatchObject({ code: "conflict" });
    await expect(ask("nobody")).rejects.toMatchObject({ code: "not-found" });
    await controller.revocation.suspend("local", "press-7", "stolen");
    await expect(ask("press-7")).rejects.toMatchObject({ code: "conflict" });
  });
});
