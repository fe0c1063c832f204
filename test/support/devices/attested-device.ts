import type { BodyOf } from "@fleetcert/proto";
import { encodeCsr, sha256, sha256Hex, spkiOfPublicArea } from "@fleetcert/shared";
import { aDevice, startTestController, type TestController } from "../controller/controller.ts";
import type { MakeBelieveTpm, TpmSigner } from "../keys/make-believe-tpm.ts";

/** What an allow-list calls a TPM. */
export const endorsementHashOf = (tpm: MakeBelieveTpm): string => sha256Hex(spkiOfPublicArea(tpm.endorsementKey.area));

/** A controller that lets these TPMs in. */
export async function controllerFor(tpms: readonly MakeBelieveTpm[], profiles = "{}"): Promise<TestController> {
  return await startTestController({ endorsements: { allowed: new Set(tpms.map(endorsementHashOf)) }, profiles });
}

/** A claim of one use. */
export async function oneClaim(controller: TestController): Promise<string> {
  return (await controller.enrolment.createClaim("local", { maxUses: 1, validFor: 3_600_000 })).claimString;
}

/** A device whose key is in a TPM, with everything for the first leg. */
export function deviceWith(controller: TestController, tpm: MakeBelieveTpm, id = "press-7") {
  const device = aDevice(controller, id);
  const key = tpm.newKey();
  device.key = key;
  return { device, key, attested: tpm.evidence(key, { device: id, generation: 1 }) };
}

/** Both legs; resolves with the last answer. */
export async function enrolAttested(controller: TestController, tpm: MakeBelieveTpm, id = "press-7") {
  const { device, attested } = deviceWith(controller, tpm, id);
  const claim = await oneClaim(controller);
  const credential = (await device.enrol(claim, { attested })) as BodyOf<"credential">;
  const answer = await device.enrol(claim, { attested, activated: tpm.activate(credential) });
  return { device, answer };
}

/** A device that has enrolled with a TPM and proven its first certificate. */
export async function anAttestedDevice(controller: TestController, tpm: MakeBelieveTpm, id = "press-7") {
  const { device, answer } = await enrolAttested(controller, tpm, id);
  const answers = [answer.type, (await device.activate()).type].join();
  if (answers !== "issued,confirmed") throw new Error(`attested enrolment of ${id} ended with ${answers}`);
  return device;
}

/** A renewal that introduces a TPM, with the word of that TPM for the next key. */
export async function introduction(
  device: ReturnType<typeof aDevice>,
  tpm: MakeBelieveTpm,
  next: TpmSigner,
): Promise<BodyOf<"renew">> {
  const generation = device.generation + 1;
  return {
    ...{ type: "renew", slot: "identity", generation, protection: "token", tokenSerial: "" },
    csr: await encodeCsr({ signer: next, commonName: device.id }),
    previousCertificateSha256: sha256(device.certificate),
    evidence: tpm.certify(next, { device: device.id, generation }),
    tpm: tpm.identity,
  };
}

/** Certificates of a device, the newest first. */
export const certificatesOf = (controller: TestController, id = "press-7") =>
  controller.store.transaction((tx) => tx.certificates.listOf(id));

/** Code and reason of the last refusal, as the audit has it. */
export async function lastRefusal(controller: TestController): Promise<{ code?: string; reason?: string }> {
  const entries = await controller.store.transaction((tx) => tx.audit.list(1, 1000));
  const last = entries.findLast(({ action }) => action === "message.refused");
  const { code, reason } = JSON.parse(last?.details ?? "{}") as { code?: string; reason?: string };
  return { ...(code && { code }), ...(reason && { reason }) };
}
