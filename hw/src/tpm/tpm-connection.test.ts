import { isFleetError } from "@fleetcert/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noAuthorization } from "./authorization.ts";
import { activateCredential, certify, quote } from "./commands/attestation.ts";
import { readAlgorithms, readCurves, readFacts, readHandles, readPcrs } from "./commands/capabilities.ts";
import { loadContext, saveContext } from "./commands/contexts.ts";
import { findInMemory } from "./commands/non-volatile.ts";
import { createKey, createPrimary, flushContext, loadKey, readPublic } from "./commands/objects.ts";
import { policyOr, policySecret, startSession } from "./commands/sessions.ts";
import { signDigest } from "./commands/signing.ts";
import { HmacSession } from "./hmac-session.ts";
import { storageRootTemplate } from "./templates.ts";
import { TpmConnection } from "./tpm-connection.ts";
import { owner } from "./tpm-object.ts";

describe("talking to a TPM", () => {
  it("sends the same octets again while the TPM is busy, with growing pauses", () => {
    const { tpm, commands, pauses } = scripted([code(0x922), code(0x908), code(0x90a), code(0)]);
    flushContext(tpm, 0x80000000);
    expect(commands).toHaveLength(4);
    expect(new Set(commands)).toEqual(new Set(["80010000000e0000016580000000"]));
    expect(pauses).toEqual([1, 2, 4]);
  });

  it("gives up on a TPM that stays busy, after a bound", () => {
    const { tpm, commands, pauses } = scripted([], code(0x922));
    expect(() => flushContext(tpm, 0x80000000)).toThrow(
      expect.objectContaining({ code: "token-error", retry: true, message: "TPM2_FlushContext failed: TPM_RC_RETRY" }),
    );
    expect(commands).toHaveLength(31);
    expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBeLessThan(25_000);
  });

  it("starts a TPM that nobody has started, then asks again", () => {
    const { tpm, commands } = scripted([code(0x100), code(0), code(0)]);
    flushContext(tpm, 0x80000000);
    expect(commands[1]).toBe("80010000000c000001440000");
    expect(commands[2]).toBe(commands[0]);
  });

  it("never asks a second time after a refused authorisation or a lockout", () => {
    for (const value of [0x98e, 0x9a2, 0x921]) {
      const { tpm, commands } = scripted([code(value)]);
      expect(() => createPrimary(tpm, { hierarchy: owner, template: storageRootTemplate })).toThrow(
        expect.objectContaining({ code: "pin-refused" }),
      );
      expect(commands).toHaveLength(1);
    }
  });

  it("refuses a response that lies about its size", () => {
    for (const response of ["", "8001", "80010000000b00000000", "8001ffffffff00000000"]) {
      const { tpm } = scripted([Buffer.from(response, "hex")]);
      expect(() => flushContext(tpm, 0x80000000)).toThrow(expect.objectContaining({ code: "token-error" }));
    }
  });

  it("refuses a name that is not that of the key", () => {
    const area = Buffer.from("000400230004", "hex");
    const { tpm } = scripted([success(area)]);
    expect(() => readPublic(tpm, 0x81000001)).toThrow(expect.objectContaining({ code: "token-error" }));
  });

  it("refuses a response whose HMAC is not the TPM's, and one to a session that is cut off", () => {
    const parameters = Buffer.from("00000004aabbccdd", "hex");
    const forged = Buffer.concat([parameters, Buffer.from("0000000020", "hex"), Buffer.alloc(32)]);
    for (const body of [forged, parameters]) {
      const { tpm } = scripted([success(body, 0x8002)]);
      expect(() => tpm.run({ ...anything, authorizations: [session()] }, () => undefined)).toThrow(
        expect.objectContaining({ code: "token-error" }),
      );
    }
  });

  it.each(Object.keys(commandsByName()))("gives %s a typed error for any octets in a response", (name) => {
    const run = commandsByName()[name];
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 200 }), fc.nat(7), (hasSessions, noise, small) => {
        // Small numbers in front reach further into a response than noise does.
        const body = Buffer.concat([Buffer.from([0, 0, 0, small]), noise]);
        const { tpm } = scripted([], success(body, hasSessions ? 0x8002 : 0x8001));
        try {
          run?.(tpm);
        } catch (error) {
          expect(isFleetError(error, "token-error")).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("gives a typed error for responses that are noise from the first octet", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        const { tpm } = scripted([], Buffer.from(noise));
        expect(() => readFacts(tpm)).toThrow(expect.objectContaining({ code: "token-error" }));
      }),
    );
  });
});

const key = { handle: 0x80000000, name: new Uint8Array(34) };
const anything = { name: "TPM2_Anything", code: 1 };

function commandsByName(): Record<string, (tpm: TpmConnection) => unknown> {
  const qualifyingData = new Uint8Array(32);
  const blob = { publicArea: Buffer.from(emptyEccArea, "hex"), privateArea: qualifyingData };
  return {
    TPM2_CreatePrimary: (tpm) => createPrimary(tpm, { hierarchy: owner, template: storageRootTemplate }),
    TPM2_Create: (tpm) => createKey(tpm, { parent: key, template: storageRootTemplate }),
    TPM2_Load: (tpm) => loadKey(tpm, { parent: key, key: blob }),
    TPM2_ContextSave: (tpm) => saveContext(tpm, key),
    TPM2_ContextLoad: (tpm) => loadContext(tpm, qualifyingData),
    TPM2_ReadPublic: (tpm) => readPublic(tpm, 0x81000001),
    TPM2_Sign: (tpm) => signDigest(tpm, { key, digest: qualifyingData, scheme: { name: "ecdsa", hash: "sha256" } }),
    TPM2_Certify: (tpm) => certify(tpm, { key, attestationKey: key, qualifyingData }),
    TPM2_Quote: (tpm) => quote(tpm, { attestationKey: key, qualifyingData, pcrs: [] }),
    TPM2_ActivateCredential: (tpm) =>
      activateCredential(tpm, {
        key,
        keyAuthorization: noAuthorization,
        endorsementKey: key,
        endorsementAuthorization: noAuthorization,
        credentialBlob: qualifyingData,
        secret: qualifyingData,
      }),
    TPM2_NV_Read: (tpm) => findInMemory(tpm, 0x01c00002),
    TPM2_StartAuthSession: (tpm) => startSession(tpm, { kind: "hmac", hash: "sha256", nonce: qualifyingData }),
    TPM2_PolicySecret: (tpm) => policySecret(tpm, 0x03000000, owner),
    TPM2_PolicyOR: (tpm) => policyOr(tpm, 0x03000000, []),
    "TPM2_GetCapability of facts": readFacts,
    "TPM2_GetCapability of handles": (tpm) => readHandles(tpm, 0x80),
    "TPM2_GetCapability of algorithms": readAlgorithms,
    "TPM2_GetCapability of curves": readCurves,
    TPM2_PCR_Read: (tpm) => readPcrs(tpm, [{ hash: "sha256", indices: [0, 1] }]),
    "an HMAC session": (tpm) => tpm.run({ ...anything, authorizations: [session()] }, () => undefined),
  };
}

/** TPMT_PUBLIC of a P-256 signing key without a point. */
const emptyEccArea = "0023000b000404720000001000100003001000000000";

function session(): HmacSession {
  const started = { handle: 0x02000000, nonceTpm: new Uint8Array(32), sessionKey: new Uint8Array(32) };
  return new HmacSession(started, { auth: undefined, protection: { command: true, response: true } });
}

/** A TPM that answers from a list, then always the same. */
function scripted(answers: readonly Buffer[], always: Buffer = Buffer.alloc(0)) {
  const commands: string[] = [];
  const pauses: number[] = [];
  const transport = {
    transact: (command: Uint8Array) => answers[commands.push(Buffer.from(command).toString("hex")) - 1] ?? always,
    close() {},
  };
  return { tpm: new TpmConnection(transport, (milliseconds) => pauses.push(milliseconds)), commands, pauses };
}

function code(value: number): Buffer {
  const response = Buffer.from("80010000000a00000000", "hex");
  response.writeUInt32BE(value, 6);
  return response;
}

function success(body: Uint8Array, tag = 0x8001): Buffer {
  const header = Buffer.alloc(10);
  header.writeUInt16BE(tag, 0);
  header.writeUInt32BE(10 + body.length, 2);
  return Buffer.concat([header, body]);
}
