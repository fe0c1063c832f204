import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  attributesOf,
  certifyInfo,
  honestAttestation,
  honestSigning,
  honestStorage,
  qualifiedNameUnderOwner,
  type SoftwareTpmKey,
  type StatementWishes,
  signStatement,
  softwareAttestationKey,
  softwareStorageKey,
  softwareTpmKey,
  statementBytes,
} from "../../../test/support/keys/software-tpm.ts";
import { DeviceId } from "../device-id.ts";
import { isFleetError } from "../errors.ts";
import { requireAttestationKey } from "./attestation-key.ts";
import { nameOfPublicArea, objectAttributes } from "./public-area.ts";
import { spkiOfPublicArea } from "./public-area-spki.ts";
import { keyQualifyingData } from "./qualifying-data.ts";
import { type KeyEvidence, type KeyExpectation, verifyCertifiedKey } from "./verify-certified-key.ts";

const attestationKey = softwareAttestationKey();
const root = softwareStorageKey();
const deviceKey = softwareTpmKey({ attributes: honestSigning });
const expected = expectation(deviceKey);

describe("the certification of a device key", () => {
  it("is accepted when everything fits, and says what the TPM said", () => {
    const { publicArea, firmwareVersion, clock } = verifyCertifiedKey(evidence(), expected);
    expect(spkiOfPublicArea(publicArea)).toEqual(expected.spki);
    expect(firmwareVersion).toBe((7n << 32n) | 42n);
    expect(clock).toEqual({ milliseconds: 1000n, resetCount: 1, restartCount: 0, isSafe: true });
  });

  it.each<[string, Partial<KeyExpectation>]>([
    ["another device", { device: DeviceId.parse("another") }],
    ["another slot", { slot: "web" }],
    ["another generation", { generation: 8 }],
    ["the key of another CSR", { spki: spkiOfPublicArea(softwareTpmKey({ attributes: honestSigning }).area) }],
  ])("is refused as a replay for %s", (_, changed) => {
    expect(() => verifyCertifiedKey(evidence(), { ...expected, ...changed })).toThrow(refusedFor("nonce"));
  });

  it("is refused when the controller's nonce is not in it", () => {
    const stale = evidence({ extraData: new Uint8Array(32) });
    expect(() => verifyCertifiedKey(stale, expected)).toThrow(refusedFor("nonce"));
  });

  it("is refused when the attestation key of another TPM signed it", () => {
    const other = softwareAttestationKey();
    const foreign = evidence({ signer: qualifiedNameUnderOwner(other), signedBy: other });
    expect(() => verifyCertifiedKey(foreign, expected)).toThrow(refusedFor("signature"));
    const renamed = evidence({ signer: qualifiedNameUnderOwner(other) });
    expect(() => verifyCertifiedKey(renamed, expected)).toThrow(refusedFor("wrong-signer"));
  });

  it("is refused when it is about another key than the one shown", () => {
    const hidden = softwareTpmKey({ attributes: honestSigning });
    const swapped = evidence({
      attested: certifyInfo(nameOfPublicArea(hidden.area), qualifiedNameUnderOwner(root, hidden)),
    });
    expect(() => verifyCertifiedKey(swapped, expected)).toThrow(refusedFor("another-key"));
  });

  it("is refused when the key certified is not the one of the request, even if the nonce says so", () => {
    const certified = softwareTpmKey({ attributes: honestSigning });
    const asIfRequested = evidence({ key: certified, extraData: keyQualifyingData(expected) });
    expect(() => verifyCertifiedKey(asIfRequested, expected)).toThrow(refusedFor("another-key"));
  });

  it.each<[string, number]>([
    ["can leave the TPM", honestSigning & ~objectAttributes.fixedTpm],
    ["can leave its parent", honestSigning & ~objectAttributes.fixedParent],
    ["was made in software and imported", honestSigning & ~objectAttributes.sensitiveDataOrigin],
    ["may be duplicated", honestSigning | objectAttributes.encryptedDuplication],
    ["cannot sign", honestSigning & ~objectAttributes.sign],
    ["decrypts too", honestSigning | objectAttributes.decrypt],
    ["is an attestation key", honestSigning | objectAttributes.restricted],
  ])("is refused when the key %s", (_, attributes) => {
    const key = softwareTpmKey({ attributes });
    expect(() => verifyCertifiedKey(evidence({ key }), expectation(key))).toThrow(refusedFor("key-attributes"));
  });

  it("is refused when the key lies under another parent, or the parent is no storage key of the TPM", () => {
    const other = softwareStorageKey();
    const elsewhere = evidence({
      attested: certifyInfo(nameOfPublicArea(deviceKey.area), qualifiedNameUnderOwner(other, deviceKey)),
    });
    expect(() => verifyCertifiedKey(elsewhere, expected)).toThrow(refusedFor("another-parent"));
    const movable = softwareStorageKey(honestStorage & ~objectAttributes.fixedTpm);
    expect(() => verifyCertifiedKey(evidence({ parent: movable }), expected)).toThrow(refusedFor("another-parent"));
  });

  it("is refused when no TPM made the statement, or it is a quote", () => {
    expect(() => verifyCertifiedKey(evidence({ magic: 0x54434721 }), expected)).toThrow(refusedFor("not-from-tpm"));
    expect(() => verifyCertifiedKey(evidence({ type: 0x8014 }), expected)).toThrow(refusedFor("wrong-kind"));
  });

  it("is refused when the software key itself signs as if it were the attestation key", () => {
    const forged = evidence({ signedBy: deviceKey });
    expect(() => verifyCertifiedKey(forged, expected)).toThrow(refusedFor("signature"));
  });

  it("is refused with a typed error when any octet of it is another", () => {
    const good = evidence();
    const parts = ["attest", "signature", "publicArea", "parent"] as const;
    fc.assert(
      fc.property(fc.constantFrom(...parts), fc.nat(), fc.integer({ min: 1, max: 255 }), (part, at, flip) => {
        const changed = Uint8Array.from(good[part]);
        changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ flip;
        expect(isRefused(() => verifyCertifiedKey({ ...good, [part]: changed }, expected))).toBe(true);
      }),
    );
  });

  it("is refused with a typed error when it is noise", () => {
    const noise = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(noise, noise, noise, noise, (attest, signature, publicArea, parent) => {
        expect(isRefused(() => verifyCertifiedKey({ attest, signature, publicArea, parent }, expected))).toBe(true);
        expect(isRefused(() => requireAttestationKey(publicArea))).toBe(true);
      }),
    );
  });
});

describe("an attestation key", () => {
  it.each<[string, number]>([
    ["is not restricted and would sign anything", honestAttestation & ~objectAttributes.restricted],
    ["does not sign", honestAttestation & ~objectAttributes.sign],
    ["can leave the TPM", honestAttestation & ~objectAttributes.fixedTpm],
    ["can leave its parent", honestAttestation & ~objectAttributes.fixedParent],
    ["was made in software", honestAttestation & ~objectAttributes.sensitiveDataOrigin],
    ["decrypts too", honestAttestation | attributesOf("decrypt")],
    ["may be duplicated", honestAttestation | attributesOf("encryptedDuplication")],
  ])("is refused when it %s", (_, attributes) => {
    const { publicArea } = softwareAttestationKey(attributes);
    expect(() => requireAttestationKey(publicArea)).toThrow(refusedFor("attestation-key"));
  });

  it("is refused when it is bound to no scheme or a weaker one", () => {
    for (const scheme of [undefined, { name: "ecdsa", hash: "sha512" }, { name: "rsapss", hash: "sha256" }] as const) {
      const { publicArea } = softwareTpmKey({ attributes: honestAttestation, scheme });
      expect(() => requireAttestationKey(publicArea)).toThrow(refusedFor("attestation-key"));
    }
  });
});

interface EvidenceWishes extends Partial<StatementWishes> {
  readonly key?: SoftwareTpmKey;
  readonly parent?: SoftwareTpmKey;
  readonly signedBy?: SoftwareTpmKey;
}

function evidence({
  key = deviceKey,
  parent = root,
  signedBy = attestationKey,
  ...wishes
}: EvidenceWishes = {}): KeyEvidence {
  const attest = statementBytes({
    signer: qualifiedNameUnderOwner(attestationKey),
    extraData: keyQualifyingData(expectation(key)),
    attested: certifyInfo(nameOfPublicArea(key.area), qualifiedNameUnderOwner(parent, key)),
    ...wishes,
  });
  return { ...signStatement(attest, signedBy), publicArea: key.publicArea, parent: parent.publicArea };
}

function expectation(key: SoftwareTpmKey): KeyExpectation {
  return {
    attestationKey: requireAttestationKey(attestationKey.publicArea),
    device: DeviceId.parse("press-7"),
    slot: "identity",
    generation: 7,
    spki: spkiOfPublicArea(key.area),
  };
}

const refusedFor = (attestationFailure: string) =>
  expect.objectContaining({ code: "attestation-invalid", attestationFailure });

function isRefused(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (error) {
    if (isFleetError(error, "attestation-invalid")) return true;
    throw error;
  }
}
