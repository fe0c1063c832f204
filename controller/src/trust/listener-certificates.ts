import {
  type Duration,
  FleetError,
  type Instant,
  type KeyProvider,
  type ProviderKey,
  type Signer,
  sha256Hex,
} from "@fleetcert/shared";
import type { Issuance } from "../issuance/issuance.ts";
import type { Surroundings } from "../ports.ts";
import type { CertificateRecord } from "../records.ts";
import type { Store } from "../store-port.ts";
import type { Issuers } from "./issuers.ts";

/** What a TLS listener presents, or an OCSP responder signs with. */
export interface ListenerCredential {
  readonly name: string;
  /** DER: leaf, issuing CA, its root, then bridges to the roots of before, each followed by the root that made it. */
  readonly chain: readonly Uint8Array[];
  /** PEM for node:tls. */
  readonly tlsKey: string;
  readonly signer: Signer;
  readonly notAfter: Instant;
}

/** Keeps the certificates of the controller's own listeners fresh. */
export interface ListenerCertificates {
  /**
   * The credential in force; a new key and certificate when there is none, when it is old, or when the hosts changed. `isNew`
   * says that who presents it has to be given it: certificate or chain are others than at the last call.
   */
  ensure(listener: OwnCertificate): Promise<{
    readonly credential: ListenerCredential;
    readonly isNew: boolean;
  }>;
}

/** One certificate that the controller needs for itself. */
export interface OwnCertificate {
  readonly name: string;
  /** Names and addresses it is reached under; empty for a responder. */
  readonly hosts: readonly string[];
  /** `serverAuth` when absent. */
  readonly usage?: "serverAuth" | "ocspSigning";
  /** SPKI SHA-256 of the CA that issues it; the one that issues now when absent. */
  readonly issuer?: string;
  /** It need not last beyond. */
  readonly until?: Instant;
}

/** Opens them over issuance; which certificate is in force stands in the store, its key in the provider. */
export function openListenerCertificates(parts: {
  readonly store: Store;
  readonly surroundings: Surroundings;
  /** Issues under the CA of this id. */
  readonly issuanceOf: (issuer: string) => Pick<Issuance, "toController">;
  readonly issuers: Pick<Issuers, "issuing" | "require">;
  readonly keys: KeyProvider;
  readonly validity: Duration;
  readonly backdate: Duration;
}): ListenerCertificates {
  const { store, surroundings, issuanceOf, keys } = parts;
  /** Chains as they were given out last, by name. */
  const given = new Map<string, string>();

  async function find(name: string): Promise<(ListenerNote & { readonly certificate: CertificateRecord }) | undefined> {
    return await store.transaction(async (tx) => {
      const text = await tx.settings.find(settingOf(name));
      if (text === undefined) return undefined;
      const note = JSON.parse(text) as ListenerNote;
      const certificate = await tx.certificates.find(note.sha256);
      return certificate === undefined ? undefined : { ...note, certificate };
    });
  }

  async function issue(own: OwnCertificate): Promise<void> {
    const { name } = own;
    const key = await keys.generate({ algorithm: "P-256", label: `listener-${name}` });
    await certify(key, own).catch(async (error: unknown) => {
      // Tried again every few seconds, keys without a certificate would pile up.
      if ((await find(name))?.keyRef !== key.ref) await keys.destroy(key.ref);
      throw error;
    });
  }

  const issuerOf = ({ issuer = parts.issuers.issuing.id }: OwnCertificate): string => issuer;

  async function certify(key: ProviderKey, own: OwnCertificate): Promise<void> {
    const { name, hosts, usage = "serverAuth", until = Number.POSITIVE_INFINITY } = own;
    await issuanceOf(issuerOf(own)).toController({
      actor: "controller",
      commonName: name,
      usage,
      hosts,
      spki: key.spki,
      keyAlgorithm: key.algorithm,
      validity: Math.min(parts.validity, until - surroundings.clock.now()),
      backdate: parts.backdate,
      profile: "listener",
      async commit(tx, { sha256 }) {
        const note: ListenerNote = { sha256, keyRef: key.ref, hosts };
        await tx.settings.put(settingOf(name), JSON.stringify(note));
      },
    });
  }

  /** Keys of crashes and of predecessors; TLS contexts keep what they need in memory. */
  async function destroyOthers(name: string, inForce: ProviderKey): Promise<void> {
    for (const { ref, label } of await keys.list(`listener-${name}`)) {
      if (label === `listener-${name}` && ref !== inForce.ref) await keys.destroy(ref);
    }
  }

  return {
    async ensure(own) {
      const { name, hosts } = own;
      const known = await find(name);
      const isFresh =
        known !== undefined &&
        known.certificate.issuer === issuerOf(own) &&
        !isDue(known.certificate, { now: surroundings.clock.now(), until: own.until }) &&
        sameHosts(known, hosts);
      if (!isFresh) await issue(own);
      const note = isFresh ? known : await find(name);
      if (note === undefined)
        throw new FleetError("internal", `the certificate of ${name} was issued and is not stored`);
      const key = await keys.open(note.keyRef);
      await destroyOthers(name, key);
      const { der, notAfter, issuer } = note.certificate;
      const { certificate, chain: above } = parts.issuers.require(issuer);
      const chain = [der, certificate, ...above];
      const before = given.get(name);
      const digest = sha256Hex(Buffer.concat(chain));
      given.set(name, digest);
      return {
        credential: { name, chain, tlsKey: key.tlsKey(), signer: key, notAfter },
        isNew: !isFresh || (before !== undefined && before !== digest),
      };
    },
  };
}

interface ListenerNote {
  readonly sha256: string;
  readonly keyRef: string;
  readonly hosts: readonly string[];
}

/** At 2/3 of the lifetime unless it lasts as long as it has to, or when it was made under a clock that was ahead. */
function isDue(
  { notBefore, notAfter, revokedAt }: CertificateRecord,
  { now, until = Number.POSITIVE_INFINITY }: { readonly now: Instant; readonly until: Instant | undefined },
): boolean {
  if (revokedAt !== undefined || now < notBefore || now > notAfter) return true;
  // Seconds are what certificates have.
  const isLast = notAfter > until - 2000;
  return !isLast && now >= notBefore + ((notAfter - notBefore) * 2) / 3;
}

const sameHosts = (note: ListenerNote, hosts: readonly string[]): boolean =>
  [...note.hosts].sort().join() === [...hosts].sort().join();

const settingOf = (name: string): string => `listener/${name}`;
