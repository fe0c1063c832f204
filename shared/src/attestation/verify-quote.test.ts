import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  certifyInfo,
  qualifiedNameUnderOwner,
  quoteInfo,
  signStatement,
  softwareAttestationKey,
  statementBytes,
} from "../../../test/support/keys/software-tpm.ts";
import { DeviceId } from "../device-id.ts";
import { isFleetError } from "../errors.ts";
import { type PcrSelection, parseAttest } from "./attest.ts";
import { requireAttestationKey } from "./attestation-key.ts";
import { nameOfPublicArea } from "./public-area.ts";
import { quoteQualifyingData } from "./qualifying-data.ts";
import { type QuoteEvidence, verifyQuote } from "./verify-quote.ts";

const key = softwareAttestationKey();
const pcrs: readonly PcrSelection[] = [{ hash: "sha256", indices: [0, 2, 7] }];
const values = [1, 2, 3].map((octet) => new Uint8Array(32).fill(octet));
const expected = {
  attestationKey: requireAttestationKey(key.publicArea),
  device: DeviceId.parse("press-7"),
  nonce: Uint8Array.of(1, 2, 3),
  pcrs,
};

describe("a quote", () => {
  it("is accepted when everything fits, and gives the value of every PCR", () => {
    const { pcrs: found } = verifyQuote(quoteEvidence(), expected);
    expect(found.map(({ index }) => index)).toEqual([0, 2, 7]);
    expect(found.map(({ value }) => value)).toEqual(values);
  });

  it("is refused for another nonce or another device", () => {
    for (const changed of [{ nonce: Uint8Array.of(9) }, { device: DeviceId.parse("press-8") }])
      expect(() => verifyQuote(quoteEvidence(), { ...expected, ...changed })).toThrow(refusedFor("nonce"));
  });

  it.each<[string, readonly PcrSelection[]]>([
    ["fewer PCRs", [{ hash: "sha256", indices: [0, 2] }]],
    ["other PCRs", [{ hash: "sha256", indices: [0, 2, 8] }]],
    ["another bank", [{ hash: "sha384", indices: [0, 2, 7] }]],
    ["no PCR", []],
  ])("is refused over %s", (_, selection) => {
    expect(() => verifyQuote(quoteEvidence({ selection }), expected)).toThrow(refusedFor("pcr-selection"));
  });

  it("is refused when the values beside it are not the quoted ones, are too few, too many or cut otherwise", () => {
    const good = quoteEvidence();
    const [first = new Uint8Array(0), ...rest] = values;
    const longer = [
      Uint8Array.of(...first, 2),
      ...rest.slice(0, 1).map((value) => value.subarray(1)),
      ...rest.slice(1),
    ];
    for (const shown of [[...rest, first], rest, [...values, first], longer, []])
      expect(() => verifyQuote({ ...good, values: shown }, expected)).toThrow(refusedFor("pcr-values"));
  });

  it("is refused when it is a certification", () => {
    const name = nameOfPublicArea(key.area);
    const attest = statementBytes({
      signer: qualifiedNameUnderOwner(key),
      extraData: quoteQualifyingData(expected),
      attested: certifyInfo(name, name),
    });
    const evidence = { ...signStatement(attest, key), values };
    expect(() => verifyQuote(evidence, expected)).toThrow(refusedFor("wrong-kind"));
  });
});

describe("parsing what a TPM attests", () => {
  it("gives a typed error or a statement for any octets behind the magic", () => {
    const parts = fc.tuple(fc.constantFrom(0x8017, 0x8018, 0x8014), fc.uint8Array({ maxLength: 120 }));
    fc.assert(
      fc.property(parts, ([type, noise]) => {
        const bytes = Uint8Array.of(0xff, 0x54, 0x43, 0x47, type >> 8, type & 0xff, ...noise);
        try {
          expect(parseAttest(bytes).extraData.length).toBeLessThanOrEqual(66);
        } catch (error) {
          expect(isFleetError(error, "attestation-invalid")).toBe(true);
        }
      }),
    );
  });
});

function quoteEvidence({ selection = pcrs }: { readonly selection?: readonly PcrSelection[] } = {}): QuoteEvidence {
  const digest = createHash("sha256").update(Buffer.concat(values)).digest();
  const attest = statementBytes({
    type: 0x8018,
    signer: qualifiedNameUnderOwner(key),
    extraData: quoteQualifyingData(expected),
    attested: quoteInfo(selection, digest),
  });
  return { ...signStatement(attest, key), values };
}

const refusedFor = (attestationFailure: string) =>
  expect.objectContaining({ code: "attestation-invalid", attestationFailure });
