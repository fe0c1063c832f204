import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import {
  assembleSigned,
  encodeName,
  encodeTbsCertificate,
  type KeyProvider,
  pemEncode,
  Serial,
  type Signer,
} from "@fleetcert/shared";
import type { Identity } from "../../adapters/mosquitto/probe-broker.ts";
import type { Duties } from "./wire-duties.ts";

/** An identity of the fleet that belongs to no device: external brokers are looked at with it. */
export interface ProbeIdentity extends Identity {
  readonly clientId: string;
  readonly sha256: string;
  readonly issuedAt: number;
}

/** Certifies a key that lives in this process only. */
export async function issueProbe({ issuance, authority }: Duties): Promise<ProbeIdentity> {
  const { signer, key } = newKey();
  const clientId = `fleetcert-probe-${randomBytes(4).toString("hex")}`;
  const certificate = await issuance.toController({
    ...{ actor: "controller", commonName: clientId, usage: "clientAuth", hosts: [], profile: "probe" },
    ...{ spki: signer.spki, keyAlgorithm: signer.algorithm, validity: 30 * day, backdate: day / 24 },
    commit: async () => undefined,
  });
  const chain = [certificate.der, authority.certificate];
  return {
    clientId,
    key,
    sha256: certificate.sha256,
    issuedAt: Date.now(),
    cert: chain.map((der) => pemEncode("CERTIFICATE", der)).join(""),
  };
}

/**
 * An identity that the lists in force revoke, kept over restarts: whoever takes it does not read them. Makes it and publishes
 * its end where there is none, or its certificate ends soon.
 */
export async function refusedProbe({
  duties,
  keys,
}: {
  readonly duties: Duties;
  readonly keys: KeyProvider;
}): Promise<Identity> {
  const { store, issuance, issuers, revocation } = duties;
  const authority = issuers.present();
  const note = await store.transaction(async (tx) => {
    const text = await tx.settings.find(refusedSetting);
    if (text === undefined) return undefined;
    const { keyRef, sha256 } = JSON.parse(text) as { readonly keyRef: string; readonly sha256: string };
    const certificate = await tx.certificates.find(sha256);
    const isFit =
      certificate?.revokedAt !== undefined &&
      certificate.issuer === authority.id &&
      certificate.notAfter > Date.now() + 5 * day;
    return isFit ? { keyRef, der: certificate.der } : undefined;
  });
  if (note !== undefined) {
    const key = await keys.open(note.keyRef);
    return {
      key: key.tlsKey(),
      cert: pemEncode("CERTIFICATE", note.der) + pemEncode("CERTIFICATE", authority.certificate),
    };
  }
  for (const { ref, label } of await keys.list(refusedLabel)) if (label === refusedLabel) await keys.destroy(ref);
  const key = await keys.generate({ algorithm: "P-256", label: refusedLabel });
  const { sha256, der } = await issuance.toController({
    ...{ actor: "controller", commonName: refusedLabel, usage: "clientAuth", hosts: [], profile: "probe" },
    ...{ spki: key.spki, keyAlgorithm: key.algorithm, validity: 30 * day, backdate: day / 24 },
    commit: (tx, issued) => tx.settings.put(refusedSetting, JSON.stringify({ keyRef: key.ref, sha256: issued.sha256 })),
  });
  await store.transaction((tx) => revocation.endOwn(tx, sha256));
  await revocation.publish();
  return { key: key.tlsKey(), cert: pemEncode("CERTIFICATE", der) + pemEncode("CERTIFICATE", authority.certificate) };
}

/** The same name under a CA that nobody trusts: its own. */
export async function foreignIdentity(commonName: string): Promise<Identity> {
  const { signer, key } = newKey();
  const now = Date.now();
  const tbs = encodeTbsCertificate({
    serial: Serial.parse(`01${randomBytes(19).toString("hex")}`),
    issuer: encodeName({ commonName }),
    subject: { commonName },
    notBefore: now - day,
    notAfter: now + day,
    spki: signer.spki,
    issuerSpki: signer.spki,
    signatureAlgorithmOf: signer.algorithm,
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: ["clientAuth"],
  });
  const der = assembleSigned(tbs, signer.algorithm, await signer.sign(tbs));
  return { key, cert: pemEncode("CERTIFICATE", der) };
}

function newKey(): { readonly signer: Signer; readonly key: string } {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    key: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    signer: {
      algorithm: "P-256",
      spki: Uint8Array.from(pair.publicKey.export({ type: "spki", format: "der" })),
      sign: async (message) => Uint8Array.from(sign("sha256", message, pair.privateKey)),
    },
  };
}

const refusedLabel = "broker-refused";
const refusedSetting = "broker-refused";
const day = 86_400_000;
