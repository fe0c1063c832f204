import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { nodeCredentialCrypto, openKeyProvider, openTpmAttestor, type TpmAttestor } from "@fleetcert/hw";
import {
  admitEndorsementKey,
  DeviceId,
  encodePublicArea,
  type KeyExpectation,
  keyQualifyingData,
  makeCredential,
  type OpenKeyProvider,
  objectAttributes,
  type PcrSelection,
  pemDecode,
  quoteQualifyingData,
  requireAttestationKey,
  requireEndorsementKey,
  spkiOfPublicArea,
  verifyCertifiedKey,
  verifyQuote,
} from "@fleetcert/shared";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { certify } from "../../../hw/src/tpm/commands/attestation.ts";
import { readHandles } from "../../../hw/src/tpm/commands/capabilities.ts";
import {
  createKey,
  createPrimary,
  type LoadedObject,
  loadKey,
  whileLoaded,
} from "../../../hw/src/tpm/commands/objects.ts";
import { withEndorsementKey } from "../../../hw/src/tpm/endorsement-key.ts";
import { endorsementProfiles } from "../../../hw/src/tpm/endorsement-profiles.ts";
import { openTransport } from "../../../hw/src/tpm/open-transport.ts";
import { readChallenge } from "../../../hw/src/tpm/read-challenge.ts";
import { attestationKeyTemplate, signingKeyTemplate, storageRootTemplate } from "../../../hw/src/tpm/templates.ts";
import { parseTpmAddress } from "../../../hw/src/tpm/tpm-address.ts";
import { TpmConnection } from "../../../hw/src/tpm/tpm-connection.ts";
import { owner } from "../../../hw/src/tpm/tpm-object.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

const device = DeviceId.parse("press-7");

describeWith([swtpmPart], "what a TPM proves", () => {
  describe.each([
    ["a bare TPM", false],
    ["a TPM as its maker ships it", true],
  ])("%s", (_, manufactured) => {
    let world: World;
    beforeAll(async () => {
      world = await openWorld(manufactured);
    });
    afterAll(() => world.close());

    it("is who it is: only this TPM reads a challenge for its endorsement key and attestation key", async () => {
      const { endorsementKey, attestationKey, attestor } = world;
      const challenge = randomBytes(32);
      const credential = makeCredential(nodeCredentialCrypto, {
        endorsementKey: endorsementKey.publicArea,
        name: attestationKey.name,
        challenge,
      });
      expect(Buffer.from(await attestor.activate(credential))).toEqual(challenge);
    });

    it("cannot read a challenge that was made for another attestation key, or was changed on the way", async () => {
      const { endorsementKey, attestationKey, attestor } = world;
      const name = Uint8Array.from(attestationKey.name);
      name[5] = (name[5] ?? 0) ^ 1;
      const challenge = randomBytes(32);
      const request = { endorsementKey: endorsementKey.publicArea, challenge };
      const forAnother = makeCredential(nodeCredentialCrypto, { ...request, name });
      await expect(attestor.activate(forAnother)).rejects.toMatchObject({ code: "token-error" });
      const changed = makeCredential(nodeCredentialCrypto, { ...request, name: attestationKey.name });
      changed.credentialBlob[40] = (changed.credentialBlob[40] ?? 0) ^ 1;
      await expect(attestor.activate(changed)).rejects.toMatchObject({ code: "token-error" });
      await expect(attestor.activate({ credentialBlob: challenge, secret: challenge })).rejects.toMatchObject({
        code: "token-error",
      });
    });

    it.each(["P-256", "RSA-2048"] as const)("has made a %s key and keeps it", async (algorithm) => {
      const { provider, attestor, attestationKey } = world;
      const key = await provider.generate({ algorithm, label: "identity/1" });
      const expected = { attestationKey, device, slot: "identity", generation: 1, spki: key.spki };
      const evidence = await attestor.certifyKey(key.ref, keyQualifyingData(expected));
      const certified = verifyCertifiedKey(evidence, expected);
      expect(Buffer.from(encodePublicArea(certified.publicArea))).toEqual(Buffer.from(evidence.publicArea));
    });

    it("says key-not-found for a key that is not there, and request-invalid for what names none", async () => {
      const { attestor } = world;
      const data = new Uint8Array(32);
      await expect(attestor.certifyKey(`tpm2:${"ab".repeat(32)}`, data)).rejects.toMatchObject({
        code: "key-not-found",
      });
      await expect(attestor.certifyKey("tpm2:../x", data)).rejects.toMatchObject({ code: "request-invalid" });
    });

    it("states its PCRs", async () => {
      const { attestor, attestationKey } = world;
      const pcrs: readonly PcrSelection[] = [{ hash: "sha256", indices: [0, 7, 16, 23] }];
      const nonce = randomBytes(20);
      const evidence = await attestor.quote(pcrs, quoteQualifyingData({ device, nonce }));
      const quote = verifyQuote(evidence, { attestationKey, device, nonce, pcrs });
      expect(quote.pcrs.map(({ index }) => index)).toEqual([0, 7, 16, 23]);
      const others: readonly PcrSelection[] = [{ hash: "sha256", indices: [0, 7, 16] }];
      expect(() => verifyQuote(evidence, { attestationKey, device, nonce, pcrs: others })).toThrow(
        refusedFor("pcr-selection"),
      );
      expect(() => verifyQuote(evidence, { attestationKey, device, nonce: randomBytes(20), pcrs })).toThrow(
        refusedFor("nonce"),
      );
    });

    it("is the same TPM after it lost power, and has no key or session left in a slot", async () => {
      const before = await world.attestor.identify();
      await world.tpm.restart();
      expect(await world.attestor.identify()).toEqual(before);
      const connection = await world.alone();
      expect([0x80, 0x02, 0x03].flatMap((kind) => readHandles(connection, kind))).toEqual([]);
      connection.close();
    });
  });

  describe("as its maker ships it", () => {
    let world: World;
    beforeAll(async () => {
      world = await openWorld(true);
    });
    afterAll(() => world.close());

    it("has an EK certificate that chains to its maker, and to nobody else", async () => {
      const { endorsementKey, tpm } = world;
      const [root = "", issuer = ""] = tpm.manufacturerCas;
      const roots = pemDecode(root, "CERTIFICATE");
      const policy = { roots, intermediates: pemDecode(issuer, "CERTIFICATE"), allowed: new Set<string>() };
      expect(admitEndorsementKey(endorsementKey, policy, Date.now())).toBe("manufacturer");
      const stranger = await startSwtpm({ manufactured: true });
      const foreign = { ...policy, roots: pemDecode(stranger.manufacturerCas[0] ?? "", "CERTIFICATE") };
      await stranger.stop();
      expect(() => admitEndorsementKey(endorsementKey, foreign, Date.now())).toThrow(
        expect.objectContaining({ code: "path-invalid" }),
      );
      expect(() => admitEndorsementKey(endorsementKey, policy, Date.UTC(2001, 0, 1))).toThrow(
        expect.objectContaining({ pathFailure: "not-yet-valid" }),
      );
      expect(endorsementKey.identity).toEqual({ manufacturer: "id:00001014", model: "swtpm", firmware: "id:20191023" });
    });

    it.each(endorsementProfiles)(
      "reads a challenge for an endorsement key of kind $name",
      async ({ name, template }) => {
        const connection = await world.alone();
        const found = { profile: name, place: { template }, certificate: undefined };
        const algorithm = name.startsWith("L") ? "P-256" : "RSA-2048";
        const signer = attestationKeyTemplate(algorithm);
        const withKey = <T>(run: (key: LoadedObject) => T): T =>
          whileLoaded(connection, createPrimary(connection, { hierarchy: owner, template: signer }), run);
        const challenge = randomBytes(32);
        const endorsementKey = withEndorsementKey(connection, found, ({ publicArea }) => publicArea);
        requireEndorsementKey(encodePublicArea(endorsementKey));
        const { name: signerName } = requireAttestationKey(withKey(({ publicArea }) => encodePublicArea(publicArea)));
        const credential = makeCredential(nodeCredentialCrypto, { endorsementKey, name: signerName, challenge });
        expect(Buffer.from(readChallenge(connection, { found, credential, withKey }))).toEqual(challenge);
        connection.close();
      },
    );
  });

  it("is vouched for by an RSA attestation key as well", async () => {
    const world = await openWorld(false);
    const connection = await world.alone();
    const template = attestationKeyTemplate("RSA-2048");
    const root = createPrimary(connection, { hierarchy: owner, template: storageRootTemplate });
    const blob = createKey(connection, { parent: root, template: signingKeyTemplate("P-256") });
    const key = loadKey(connection, { parent: root, key: blob });
    const signer = createPrimary(connection, { hierarchy: owner, template });
    const attestationKey = requireAttestationKey(encodePublicArea(signer.publicArea));
    const spki = spkiOfPublicArea(key.publicArea);
    const expected = { attestationKey, device, slot: "identity", generation: 1, spki };
    const statement = certify(connection, { key, attestationKey: signer, qualifyingData: keyQualifyingData(expected) });
    const evidence = { ...statement, publicArea: blob.publicArea, parent: encodePublicArea(root.publicArea) };
    connection.close();
    await world.close();
    expect(verifyCertifiedKey(evidence, expected).clock.isSafe).toBeTypeOf("boolean");
    const signature = Uint8Array.from(evidence.signature);
    signature[100] = (signature[100] ?? 0) ^ 1;
    expect(() => verifyCertifiedKey({ ...evidence, signature }, expected)).toThrow(refusedFor("signature"));
  });

  describe("in the hands of somebody who lies", () => {
    let world: World;
    beforeEach(async () => {
      world = await openWorld(false);
    });
    afterEach(() => world.close());

    it("cannot show an attestation key without the restriction", async () => {
      const connection = await world.alone();
      const template = attestationKeyTemplate("P-256");
      const loose = { ...template, attributes: template.attributes & ~objectAttributes.restricted };
      const key = createPrimary(connection, { hierarchy: owner, template: loose });
      connection.close();
      expect(() => requireAttestationKey(encodePublicArea(key.publicArea))).toThrow(refusedFor("attestation-key"));
    });

    it("cannot let another TPM vouch for the key, nor one that was never certified", async () => {
      const { provider, attestor, attestationKey } = world;
      const key = await provider.generate({ algorithm: "P-256", label: "identity/1" });
      const expected = { attestationKey, device, slot: "identity", generation: 1, spki: key.spki };
      const other = await openWorld(false);
      const theirs = await other.provider.generate({ algorithm: "P-256", label: "identity/1" });
      const qualifyingData = keyQualifyingData({ ...expected, spki: theirs.spki });
      const evidence = await other.attestor.certifyKey(theirs.ref, qualifyingData);
      await other.close();
      expect(() => verifyCertifiedKey(evidence, { ...expected, spki: theirs.spki })).toThrow(refusedFor("signature"));
      const sibling = await provider.generate({ algorithm: "P-256", label: "identity/2" });
      const aboutSibling = await attestor.certifyKey(sibling.ref, keyQualifyingData(expected));
      expect(() => verifyCertifiedKey(aboutSibling, expected)).toThrow(refusedFor("another-key"));
    });

    it("cannot use evidence again for another device, slot, generation or CSR", async () => {
      const { provider, attestor, attestationKey } = world;
      const key = await provider.generate({ algorithm: "P-256", label: "identity/1" });
      const next = await provider.generate({ algorithm: "P-256", label: "identity/2" });
      const expected = { attestationKey, device, slot: "identity", generation: 1, spki: key.spki };
      const evidence = await attestor.certifyKey(key.ref, keyQualifyingData(expected));
      const replays: readonly Partial<KeyExpectation>[] = [
        { device: DeviceId.parse("press-8") },
        { slot: "web" },
        { generation: 2 },
        { spki: next.spki },
      ];
      for (const changed of replays) {
        expect(() => verifyCertifiedKey(evidence, { ...expected, ...changed })).toThrow(refusedFor("nonce"));
      }
    });

    it("cannot have a key certified as attested that may leave the TPM", async () => {
      const connection = await world.alone();
      const template = signingKeyTemplate("P-256");
      const { fixedTpm, fixedParent } = objectAttributes;
      const movable = { ...template, attributes: template.attributes & ~(fixedTpm | fixedParent) };
      const root = createPrimary(connection, { hierarchy: owner, template: storageRootTemplate });
      const blob = createKey(connection, { parent: root, template: movable });
      const key = loadKey(connection, { parent: root, key: blob });
      const signer = createPrimary(connection, { hierarchy: owner, template: attestationKeyTemplate("P-256") });
      const attestationKey = requireAttestationKey(encodePublicArea(signer.publicArea));
      const spki = spkiOfPublicArea(key.publicArea);
      const expected = { attestationKey, device, slot: "identity", generation: 1, spki };
      const statement = certify(connection, {
        key,
        attestationKey: signer,
        qualifyingData: keyQualifyingData(expected),
      });
      const evidence = { ...statement, publicArea: blob.publicArea, parent: encodePublicArea(root.publicArea) };
      connection.close();
      expect(() => verifyCertifiedKey(evidence, expected)).toThrow(refusedFor("key-attributes"));
    });
  });
});

interface World {
  readonly tpm: Swtpm;
  readonly provider: OpenKeyProvider;
  readonly attestor: TpmAttestor;
  readonly endorsementKey: ReturnType<typeof requireEndorsementKey>;
  readonly attestationKey: ReturnType<typeof requireAttestationKey>;
  /** A connection without the provider and the attestor, which are closed for good. */
  alone(): Promise<TpmConnection>;
  close(): Promise<void>;
}

async function openWorld(manufactured: boolean): Promise<World> {
  const tpm = await startSwtpm({ manufactured });
  const config = { tpm: tpm.address, directory: join(tpm.directory, "keys") };
  const provider = await openKeyProvider({ kind: "tpm", ...config });
  const attestor = await openTpmAttestor(config);
  const shown = await attestor.identify();
  const release = async (): Promise<void> => {
    await attestor.close();
    await provider.close();
  };
  return {
    tpm,
    provider,
    attestor,
    endorsementKey: requireEndorsementKey(shown.endorsementKey, shown.endorsementCertificate),
    attestationKey: requireAttestationKey(shown.attestationKey),
    async alone() {
      await release();
      return new TpmConnection(openTransport(parseTpmAddress(tpm.address)));
    },
    async close() {
      await release();
      await tpm.stop();
    },
  };
}

const refusedFor = (attestationFailure: string) =>
  expect.objectContaining({ code: "attestation-invalid", attestationFailure });
