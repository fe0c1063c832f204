import { randomBytes } from "node:crypto";
import {
  assembleSigned,
  type Certificate,
  encodeName,
  encodeTbsCertificate,
  type KeyProvider,
  type ProviderKey,
  parseCertificate,
  pemDecode,
  pemEncode,
  Serial,
} from "@fleetcert/shared";

/** Whom an external broker takes a controller for. */
export interface ControlIdentity {
  /** Its name in the certificate, and its client id. */
  readonly clientId: string;
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  /** PEM of every controller the broker is to take, this one among them. */
  readonly all: string;
}

/**
 * The controller's own certificate for external brokers: a key of the key provider, and a certificate that only that key
 * vouches for. None of the fleet is taken on that listener, so that no device or operator can have a name that counts there.
 * `known` is the PEM of those the broker takes already, of other controllers too.
 */
export async function controlIdentity({
  keys,
  known,
}: {
  readonly keys: KeyProvider;
  readonly known: string;
}): Promise<ControlIdentity> {
  const now = Date.now();
  const certificates = pemDecode(known, "CERTIFICATE")
    .map((der) => parseCertificate(der))
    .filter(({ notAfter }) => notAfter > now + least);
  const key = await controlKey(keys);
  const clientId = `controller-${key.id.slice(0, 12)}`;
  const own = certificates.find(({ spki }) => Buffer.compare(spki, key.spki) === 0);
  const der = own?.der ?? (await selfSigned(key, { commonName: clientId, now }));
  const pem = (one: Uint8Array): string => pemEncode("CERTIFICATE", one);
  const others = certificates.filter((one: Certificate) => one !== own).map((one) => pem(one.der));
  return { clientId, cert: pem(der), key: key.tlsKey(), all: [...others, pem(der)].join("") };
}

/** The one that is kept, else a new one. */
async function controlKey(keys: KeyProvider): Promise<ProviderKey> {
  const kept = (await keys.list(label)).find((one) => one.label === label);
  return kept === undefined ? await keys.generate({ algorithm: "P-256", label }) : await keys.open(kept.ref);
}

async function selfSigned(
  key: ProviderKey,
  { commonName, now }: { readonly commonName: string; readonly now: number },
): Promise<Uint8Array> {
  const tbs = encodeTbsCertificate({
    serial: Serial.parse(`01${randomBytes(19).toString("hex")}`),
    issuer: encodeName({ commonName }),
    subject: { commonName },
    notBefore: now - day,
    notAfter: now + life,
    spki: key.spki,
    issuerSpki: key.spki,
    signatureAlgorithmOf: key.algorithm,
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: ["clientAuth"],
  });
  return assembleSigned(tbs, key.algorithm, await key.sign(tbs));
}

const label = "broker-control";
const day = 86_400_000;
const life = 3650 * day;
/** So long before its end it is made anew. */
const least = 365 * day;
