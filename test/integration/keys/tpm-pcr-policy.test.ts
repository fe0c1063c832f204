import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openKeyProvider, openTpmAttestor } from "@fleetcert/hw";
import {
  DeviceId,
  keyQualifyingData,
  type OpenKeyProvider,
  type PcrSelection,
  type ProviderKey,
  requireAttestationKey,
  sha256,
  tpmJoin,
  tpmU16,
  tpmU32,
  verifyCertifiedKey,
  verifySignature,
} from "@fleetcert/shared";
import { afterEach, beforeEach, expect, it } from "vitest";
import { noAuthorization } from "../../../hw/src/tpm/authorization.ts";
import { readHandles } from "../../../hw/src/tpm/commands/capabilities.ts";
import { loadKey, whileLoaded } from "../../../hw/src/tpm/commands/objects.ts";
import { signDigest } from "../../../hw/src/tpm/commands/signing.ts";
import { Tpm } from "../../../hw/src/tpm/tpm.ts";
import { parseTpmKeyFile } from "../../../hw/src/tpm/tpm-key-file.ts";
import { permanentObject } from "../../../hw/src/tpm/tpm-object.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { describeWith } from "../../support/programs/optional-part.ts";

/** PCR 16 is the one for debugging: anybody may set it back. */
const pcrs: readonly PcrSelection[] = [{ hash: "sha256", indices: [7, 16] }];
const message = new TextEncoder().encode("what is signed");

describeWith([swtpmPart], "keys of a TPM that are bound to PCRs", () => {
  let tpm: Swtpm;
  let provider: OpenKeyProvider;
  let key: ProviderKey;

  const settings = () => ({ tpm: tpm.address, directory: join(tpm.directory, "keys") });
  beforeEach(async () => {
    tpm = await startSwtpm();
    provider = await openKeyProvider({ kind: "tpm", ...settings(), pcrs });
    key = await provider.generate({ algorithm: "P-256", label: "identity/1" });
  });
  afterEach(async () => {
    await provider.close();
    await tpm.stop();
  });

  async function expectSigns(one: ProviderKey): Promise<void> {
    expect(verifySignature({ spki: one.spki, message, signature: await one.sign(message) })).toBe(true);
  }

  /** Runs raw commands on the connection that the provider has, for an emulator serves one client. */
  function raw<T>(run: (shared: Tpm) => T): T {
    const shared = Tpm.acquire(tpm.address);
    try {
      return run(shared);
    } finally {
      shared.release();
    }
  }

  const pcr16 = permanentObject(16);
  const extend = () =>
    raw(({ connection }) =>
      connection.run(
        {
          name: "TPM2_PCR_Extend",
          code: 0x182,
          handles: [pcr16],
          authorizations: [noAuthorization],
          parameters: tpmJoin(tpmU32(1), tpmU16(0x000b), sha256(message)),
        },
        () => undefined,
      ),
    );
  const setBack = () =>
    raw(({ connection }) =>
      connection.run(
        { name: "TPM2_PCR_Reset", code: 0x13d, handles: [pcr16], authorizations: [noAuthorization] },
        () => undefined,
      ),
    );

  it("sign while the PCRs are what they were, also after a restart of both", async () => {
    await expectSigns(key);
    await provider.close();
    await tpm.restart();
    provider = await openKeyProvider({ kind: "tpm", ...settings() });
    await expectSigns(await provider.open(key.ref));
  });

  it("do not sign once a PCR has changed, say TPM_RC_POLICY_FAIL, leave nothing loaded, and sign again when it is back", async () => {
    extend();
    await expect(key.sign(message)).rejects.toMatchObject({
      code: "token-error",
      message: expect.stringContaining("TPM_RC_POLICY_FAIL"),
      hint: expect.stringContaining("PCRs"),
    });
    const sessions = raw(({ connection }) => [0x02, 0x03].flatMap((kind) => readHandles(connection, kind)));
    expect(sessions).toEqual([]);
    setBack();
    await expectSigns(key);
  });

  it("do not sign without the policy, and a file that does not name the PCRs is not taken", async () => {
    const file = join(tpm.directory, "keys", `${key.id}.pem`);
    const text = await readFile(file, "utf8");
    const { blob } = parseTpmKeyFile(key.id, text);
    const signed = () =>
      raw((shared) =>
        shared.withStorageRoot(undefined, (parent) =>
          whileLoaded(shared.connection, loadKey(shared.connection, { parent, key: blob }), (loaded) =>
            signDigest(shared.connection, {
              key: loaded,
              digest: sha256(message),
              scheme: { name: "ecdsa", hash: "sha256" },
            }),
          ),
        ),
      );
    expect(signed).toThrow(expect.objectContaining({ message: expect.stringContaining("TPM_RC_AUTH_UNAVAILABLE") }));
    await writeFile(file, text.replace(/^pcrs: .*\n/m, ""), { mode: 0o600 });
    await expect(provider.open(key.ref)).rejects.toMatchObject({ code: "key-attributes-wrong" });
  });

  it("leave keys alone that were made before", async () => {
    const free = await openKeyProvider({ kind: "tpm", ...settings() });
    const old = await free.generate({ algorithm: "RSA-2048", label: "identity/0" });
    await free.close();
    extend();
    await expectSigns(await provider.open(old.ref));
  });

  it("are certified like any other: where a key lives does not hang on what was started", async () => {
    const attestor = await openTpmAttestor(settings());
    const attestationKey = requireAttestationKey((await attestor.identify()).attestationKey);
    const device = DeviceId.parse("press-7");
    const expected = { attestationKey, device, slot: "identity", generation: 1, spki: key.spki };
    extend();
    const evidence = await attestor.certifyKey(key.ref, keyQualifyingData(expected));
    await attestor.close();
    expect(verifyCertifiedKey(evidence, expected).publicArea.authPolicy).toHaveLength(32);
  });
});
