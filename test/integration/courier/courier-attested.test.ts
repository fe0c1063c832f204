import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openKeyProvider, openTpmAttestor } from "@fleetcert/hw";
import {
  type BodyOf,
  type CourierPart,
  courierPartHashes,
  decodeCourierFile,
  decodeEnvelope,
  decodeMessage,
  encodeCourierFile,
  encodeMessage,
  type Message,
  maxCourierBytes,
  payloadTypes,
  signEnvelope,
} from "@fleetcert/proto";
import { DeviceId, type KeyEvidence, keyQualifyingData, parseCsr, type Signer } from "@fleetcert/shared";
import { afterAll, beforeAll, expect, it } from "vitest";
import { administrator, type RealController, realController } from "../../support/controller/real-controller.ts";
import { OfflineDevice } from "../../support/devices/offline-device.ts";
import { type Swtpm, startSwtpm, swtpmPart } from "../../support/keys/swtpm.ts";
import { testSigner } from "../../support/keys/test-signer.ts";
import { describeWith } from "../../support/programs/optional-part.ts";
import { until } from "../../support/until.ts";

const technician = { name: "operator:alice", role: "field" } as const;

describeWith([swtpmPart], "a device without network whose keys are in its TPM", () => {
  let directory: string;
  let controller: RealController;
  let tpm: Swtpm;
  let otherTpm: Swtpm;
  let device: OfflineDevice;
  /** What the TPM said of the key of generation 2. */
  let earlier: KeyEvidence | undefined;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "fc-vouched-"));
    [tpm, otherTpm] = await Promise.all([startSwtpm({ manufactured: true }), startSwtpm()]);
    const [root, issuer] = [join(directory, "root.pem"), join(directory, "issuer.pem")];
    await writeFile(root, tpm.manufacturerCas[0] ?? "");
    await writeFile(issuer, tpm.manufacturerCas[1] ?? "");
    controller = await realController({
      settings: { graceAfterProof: "1ms", attestation: { manufacturerRoots: [root], manufacturerCas: [issuer] } },
    });
    const place = {
      endpoints: controller.endpoints,
      claim: () => controller.claim({ attributes: { connectivity: "courier" } }),
    };
    device = await OfflineDevice.enrol(directory, "press-1", place, { keys: { provider: "tpm", tpm: tpm.address } });
  });
  afterAll(async () => {
    await controller?.close();
    await Promise.all([tpm?.stop(), otherTpm?.stop()]);
    await rm(directory, { recursive: true, force: true });
  });

  const exchange = (bundle: Uint8Array) => controller.running.operations.courier.exchange(technician, bundle);
  const show = () => controller.running.operations.devices.show(administrator, device.id);
  const protections = async () =>
    (await show()).certificates.map(({ generation, protection, state }) => [generation, protection, state]);
  const keyFiles = async () => (await readdir(join(device.data, "tpm-keys"))).sort();

  it("stays attested by courier: one trip brings the certificate of a key that the TPM vouched for", async () => {
    expect(await protections()).toEqual([[1, "attested", "proven"]]);
    const stick = await mkdtemp(join(directory, "stick-"));
    const request = join(stick, `${device.id}.request.fcb`);
    expect(await device.command("bundle", "export", "--renew", "--out", stick)).toMatchObject({ code: 0 });
    const bundle = new Uint8Array(await readFile(request));
    earlier = renewalIn(bundle).evidence;
    expect(earlier).toBeDefined();
    const { reply } = await exchange(bundle);
    await writeFile(join(stick, `${device.id}.reply.fcb`), reply);
    expect(await protections()).toEqual([
      [2, "attested", "issued"],
      [1, "attested", "proven"],
    ]);
    expect(await device.command("bundle", "import", stick)).toMatchObject({ code: 0 });
    await device.import((await exchange(await device.export(false))).reply);
    // The next renewal begins once the key of generation 1 is gone.
    await device.work((agent) => until(() => agent.status().slots[0]?.journal === "idle"));
    expect(await device.generations()).toEqual({ identity: 2 });
    expect(await protections()).toEqual([
      [2, "attested", "proven"],
      [1, "attested", "retired"],
    ]);
  });

  it("is refused as a whole when somebody on the way changed what its TPM said", async () => {
    const { manifest, parts } = decodeCourierFile(await device.export(true), maxCourierBytes.request);
    const stranger = [testSigner("P-256")];
    const stripped = await Promise.all(parts.map((part) => withEvidence(part, undefined, stranger)));
    const forged = await resigned(manifest, { parts: courierPartHashes(stripped) }, stranger);
    for (const [named, code] of [
      [manifest, "signature-invalid"],
      [forged, "signer-not-allowed"],
    ] as const) {
      const bundle = encodeCourierFile({ manifest: named, parts: stripped });
      const audited = await controller.unchangedBy(() => expect(exchange(bundle)).rejects.toMatchObject({ code }));
      expect(audited.map(({ action }) => action)).toEqual(["courier.refused"]);
    }
  });

  it.each<[string, () => Promise<KeyEvidence | undefined>, string, string]>([
    ["is missing", async () => undefined, "attestation-required", "was attested, the new one has protection token"],
    ["is that of the generation before", async () => earlier, "attestation-invalid", "bound to another"],
    ["is about another key of the same TPM", aboutAnotherKey, "attestation-invalid", "not the key of the request"],
    ["is another TPM's", byAnotherTpm, "attestation-invalid", "signature"],
  ])(
    "gets no certificate when the evidence %s, though the bundle is signed with its key",
    async (_, make, code, why) => {
      const before = { files: await pendingFiles(), shown: await show() };
      const evidence = await make();
      const bundle = await signedAgain(await device.export(true), evidence);
      let reply = new Uint8Array();
      const audited = await controller.unchangedBy(async () => {
        const exchanged = await exchange(bundle);
        expect(exchanged.answers).toContainEqual(
          expect.objectContaining({ asked: "renew", answer: "refused", code, message: expect.stringContaining(why) }),
        );
        reply = Uint8Array.from(exchanged.reply);
      });
      expect(
        audited.map(({ action, details }) => [action, (JSON.parse(details) as Record<string, string>)["code"]]),
      ).toEqual([
        ["message.refused", code],
        ["courier.exchanged", undefined],
      ]);
      expect((await device.import(reply)).refused).toEqual([
        expect.objectContaining({ asked: "renew", code, message: expect.stringContaining(why) }),
      ]);
      expect(await device.generations()).toEqual({ identity: 2 });
      expect(await keyFiles()).toEqual(before.files);
      expect((await show()).attestation).toEqual(before.shown.attestation);
    },
  );

  it("renews with the same key, attested, once the bundle says again what its TPM said", async () => {
    const files = await pendingFiles();
    const { reply } = await exchange(await device.export(false));
    expect(await device.import(reply)).toMatchObject({ issued: { identity: 3 }, refused: [] });
    expect(await keyFiles()).toEqual(files);
    expect((await protections())[0]).toEqual([3, "attested", "issued"]);
  });

  /** The files of its keys, with that of the renewal under way. */
  async function pendingFiles(): Promise<string[]> {
    await device.export(true);
    return await keyFiles();
  }

  /** The request of the renewal under way, and where its key is. */
  async function pending() {
    const { generation, csr } = renewalIn(await device.export(true));
    const { spki } = parseCsr(csr);
    return { device: DeviceId.parse(device.id), slot: "identity", generation, spki };
  }

  async function aboutAnotherKey(): Promise<KeyEvidence> {
    const asked = await pending();
    return await vouchedBy(tpm, join(device.data, "tpm-keys"), keyQualifyingData(asked));
  }

  async function byAnotherTpm(): Promise<KeyEvidence> {
    const asked = await pending();
    return await vouchedBy(otherTpm, await mkdtemp(join(directory, "other-")), keyQualifyingData(asked));
  }

  /** A bundle of the device with other evidence, signed with the key that it is known by: a device that does not do as it should. */
  async function signedAgain(bundle: Uint8Array, evidence: KeyEvidence | undefined): Promise<Uint8Array> {
    const keys = await openKeyProvider({
      kind: "tpm",
      tpm: tpm.address,
      directory: join(device.data, "tpm-keys"),
    });
    try {
      const [current] = await keys.list(`fleetcert:${device.id}:identity:2`);
      const signers = [await keys.open(current?.ref ?? "")];
      const { manifest, parts } = decodeCourierFile(bundle, maxCourierBytes.request);
      const changed: CourierPart[] = [];
      for (const part of parts) changed.push(await withEvidence(part, evidence, signers));
      const named = await resigned(manifest, { parts: courierPartHashes(changed) }, signers);
      return encodeCourierFile({ manifest: named, parts: changed });
    } finally {
      await keys.close();
    }
  }
});

/** What a TPM says of a key that was made for this, bound to what it is asked to be bound to. */
async function vouchedBy(tpm: Swtpm, directory: string, qualifyingData: Uint8Array): Promise<KeyEvidence> {
  const config = { tpm: tpm.address, directory };
  const keys = await openKeyProvider({ kind: "tpm", ...config });
  const attestor = await openTpmAttestor(config);
  try {
    const { ref } = await keys.generate({ algorithm: "P-256", label: "another" });
    const evidence = await attestor.certifyKey(ref, qualifyingData);
    await keys.destroy(ref);
    return evidence;
  } finally {
    await attestor.close();
    await keys.close();
  }
}

const messageIn = (envelope: Uint8Array): Message => decodeMessage(decodeEnvelope(envelope).payload);

function renewalIn(bundle: Uint8Array): BodyOf<"renew"> {
  const { parts } = decodeCourierFile(bundle, maxCourierBytes.request);
  for (const { payload } of parts) {
    const { body } = messageIn(payload);
    if (body.type === "renew") return body;
  }
  throw new Error("the bundle asks for no renewal");
}

/** The part with other evidence when it is a renewal; every other one as it is. */
async function withEvidence(
  part: CourierPart,
  evidence: KeyEvidence | undefined,
  signers: readonly Signer[],
): Promise<CourierPart> {
  if (messageIn(part.payload).body.type !== "renew") return part;
  return { ...part, payload: await resigned(part.payload, { evidence }, signers) };
}

/** The message of an envelope with another body, signed anew. */
async function resigned(
  envelope: Uint8Array,
  changes: Readonly<Record<string, unknown>>,
  signers: readonly Signer[],
): Promise<Uint8Array> {
  const message = messageIn(envelope);
  const payload = encodeMessage({ ...message, body: { ...message.body, ...changes } as Message["body"] });
  return await signEnvelope(payloadTypes.message, payload, ...signers);
}
