import type { Activated, Body } from "@fleetcert/proto";
import { FleetError } from "@fleetcert/shared";
import { appendAudit } from "../audit/append-audit.ts";
import type { DeviceMessage } from "../ports.ts";
import type { CertificateRecord, ProofWay } from "../records.ts";
import type { Transaction } from "../store-port.ts";
import type { EnrolmentParts } from "./enrolment.ts";

type Reply = (tx: Transaction, body: Body) => Promise<void>;

/**
 * Takes the proof in use: signed by the new key, over a session that the new certificate authenticated or, where the device is
 * of that class, brought by a courier. The credential
 * becomes proven, the ones before it are retired and stay usable for the grace. Asked again, it confirms again.
 */
export async function activate(parts: EnrolmentParts, received: DeviceMessage, reply: Reply): Promise<void> {
  const body = received.message.body as Activated;
  const sha256 = Buffer.from(body.certificateSha256).toString("hex");
  await parts.store.transaction(async (tx) => {
    const certificate = await tx.certificates.find(sha256);
    requireProof(received, body, certificate);
    const isIdentityByCourier = received.peer.type === "courier" && body.slot === "identity";
    if (isIdentityByCourier) await requireCourierClass(tx, received.device);
    if (certificate.state === "issued") await prove(parts, tx, { received, certificate });
    const { slot, generation, certificateSha256 } = body;
    await reply(tx, { type: "confirmed", slot, generation, certificateSha256, grace: parts.graceAfterProof });
  });
}

function requireProof(
  { device, signer, peer }: DeviceMessage,
  body: Activated,
  certificate: CertificateRecord | undefined,
): asserts certificate is CertificateRecord {
  const { slot, generation } = body;
  if (certificate?.device !== device || certificate.slot !== slot || certificate.generation !== generation) {
    throw new FleetError("not-found", `device ${device} has no such certificate for ${slot} generation ${generation}`);
  }
  if (certificate.state !== "issued" && certificate.state !== "proven") {
    throw new FleetError("conflict", `generation ${generation} of ${slot} is ${certificate.state}`);
  }
  if (slot !== "identity") return;
  if (certificate.spkiSha256 !== signer) {
    throw new FleetError("signer-not-allowed", `the proof of generation ${generation} is signed by another key`);
  }
  // TLS 1.3 "connected" proves nothing on the device's side; the session itself must stand on the new certificate.
  // An external broker does not say on which: there the new key's signature has to do (docs/decisions/0027).
  const session = peer.type === "operational" ? peer.certificateSha256 : undefined;
  if (session !== undefined && session !== certificate.sha256) {
    throw new FleetError("signer-not-allowed", `the proof of generation ${generation} came over another session`);
  }
}

/**
 * The signature of the new key shows that the device holds it and its certificate; that both carry a connection is shown by a
 * connection only. Where none will ever come, the first has to do (docs/decisions/0022).
 */
async function requireCourierClass(tx: Transaction, id: string): Promise<void> {
  const connectivity = (await tx.devices.find(id))?.attributes.connectivity;
  if (connectivity === "courier") return;
  throw new FleetError(
    "policy-violation",
    `device ${id} is of class ${connectivity}: it proves its certificate by connecting`,
    {
      hint: `if only couriers ever reach it: fleetcert device set ${id} --connectivity courier`,
    },
  );
}

async function prove(
  parts: EnrolmentParts,
  tx: Transaction,
  { received, certificate }: { readonly received: DeviceMessage; readonly certificate: CertificateRecord },
): Promise<void> {
  const { device } = received;
  const now = parts.surroundings.clock.now();
  const { slot, generation, serial } = certificate;
  const way = wayOf(received, slot);
  const details = { serial, slot, generation: String(generation), ...noteOf(received, way) };
  await tx.certificates.put({ ...certificate, state: "proven", provenAt: now, provenVia: way });
  await appendAudit(tx, {
    at: now,
    actor: `device:${device}`,
    action: "certificate.proven",
    target: device,
    outcome: "success",
    details,
  });
  for (const old of await tx.certificates.listOf(device, slot)) {
    if (old.generation >= generation || old.state !== "proven") continue;
    await tx.certificates.put({ ...old, state: "retired", retiredAt: now });
    await appendAudit(tx, {
      at: now,
      actor: `device:${device}`,
      action: "certificate.retired",
      target: device,
      outcome: "success",
      details: { serial: old.serial, slot, generation: String(old.generation), by: serial },
    });
  }
  await tx.awaitedProofs.remove(certificate.sha256);
  await parts.inventory.slotProven(tx, { device, slot, generation });
}

/** A service is looked at on the device; how the word of it came does not make it more or less. */
function wayOf({ peer }: DeviceMessage, slot: string): ProofWay {
  if (slot !== "identity") return "service";
  if (peer.type === "courier") return "courier";
  return peer.type === "operational" && peer.certificateSha256 === undefined ? "broker" : "session";
}

/** What the audit says of the way, where it was not a session whose certificate was seen. */
function noteOf({ peer }: DeviceMessage, way: ProofWay): Readonly<Record<string, string>> {
  if (peer.type === "courier") return { via: "courier", operator: peer.operator };
  return way === "broker" ? { via: "external-broker" } : {};
}
