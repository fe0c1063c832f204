import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { assembleSigned, encodeName, encodeTbsCertificate, pemEncode, Serial, type Signer } from "@fleetcert/shared";
import type { Identity } from "../adapters/mosquitto/probe-broker.ts";
import type { Duties } from "./wire-duties.ts";

/** An identity of the fleet that belongs to no device: external brokers are looked at with it. */
export interface ProbeIdentity extends Identity {
  readonly clientId: string;
  readonly sha256: string;
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
    cert: chain.map((der) => pemEncode("CERTIFICATE", der)).join(""),
  };
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

const day = 86_400_000;
