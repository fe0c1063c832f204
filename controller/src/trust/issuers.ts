import { decodeEnvelope, decodeTrustBundle, type TrustBundle } from "@fleetcert/proto";
import { FleetError, type KeyProvider, parseCertificate, type Signer, spkiSha256 } from "@fleetcert/shared";
import type { CertificateAuthority } from "../ports.ts";
import type { Store } from "../store-port.ts";
import { currentAuthority } from "./current-authority.ts";

/** The issuing CAs of this controller: the one that issues, and those whose certificates may still be in use. */
export interface Issuers {
  /** Always the one that issues now, whoever that is; to use it for more than one step take {@link Issuers.present}. */
  readonly issuing: CertificateAuthority;
  present(): CertificateAuthority;
  /** Every one, also retired ones that still sign their lists; the issuing one first. */
  all(): readonly CertificateAuthority[];
  /** Throws `not-found`. */
  require(id: string): CertificateAuthority;
  /** Every root that certificates of ours may lead to, DER: those trusted now, and those retired. */
  roots(): readonly Uint8Array[];
  /** Opens the keys of issuers that the bundle in force names newly. */
  refresh(): Promise<void>;
  /** Durable when it resolves: from then on the named one issues. Throws `not-found`, `trust-invalid`. */
  switchTo(id: string): Promise<void>;
}

/** Opens the issuers of every bundle there was, as far as their keys are here. */
export async function openIssuers(parts: {
  readonly store: Store;
  /** The one made by `fleetcert init`. */
  readonly first: CertificateAuthority;
  /** Issuing keys are found by their label `issuing`. */
  readonly keys: KeyProvider;
  readonly bundles: readonly Uint8Array[];
  readonly bundle: () => TrustBundle;
  /** Every root the fleet has had, DER. */
  readonly roots: () => readonly Uint8Array[];
}): Promise<Issuers> {
  const { store, first, keys, bundle, roots } = parts;
  const known = new Map([[first.id, currentAuthority(first, { bundle, roots })]]);
  const open = async (from: TrustBundle): Promise<void> => {
    const missing = from.issuers.filter((der) => !known.has(idOf(der)));
    if (missing.length === 0) return;
    const refs = new Map((await keys.list("issuing")).map(({ id, ref }) => [id, ref]));
    for (const certificate of missing) {
      const id = idOf(certificate);
      const ref = refs.get(id);
      if (ref === undefined) continue;
      const signer: Signer = await keys.open(ref);
      known.set(id, currentAuthority({ id, certificate, chain: [], signer }, { bundle, roots }));
    }
  };
  for (const envelope of parts.bundles) await open(decodeTrustBundle(decodeEnvelope(envelope).payload));
  let chosen = await store.transaction((tx) => tx.settings.find(setting));

  /** An older database may name one that has been retired: what the bundle in force does not hold does not issue. */
  const present = (): CertificateAuthority => {
    const trusted = bundle()
      .issuers.map(idOf)
      .filter((id) => known.has(id));
    const id =
      chosen !== undefined && trusted.includes(chosen) ? chosen : chosen === undefined ? trusted[0] : trusted.at(-1);
    return known.get(id ?? first.id) ?? (known.get(first.id) as CertificateAuthority);
  };
  const require = (id: string): CertificateAuthority => {
    const found = known.get(id);
    if (found === undefined) throw new FleetError("not-found", `the key of issuing CA ${id.slice(0, 16)}… is not here`);
    return found;
  };
  return {
    present,
    require,
    roots,
    issuing: {
      get id() {
        return present().id;
      },
      get certificate() {
        return present().certificate;
      },
      get chain() {
        return present().chain;
      },
      get signer() {
        return present().signer;
      },
    },
    all() {
      const now = present();
      return [now, ...[...known.values()].filter(({ id }) => id !== now.id)];
    },
    refresh: () => open(bundle()),
    async switchTo(id) {
      require(id);
      if (!bundle().issuers.map(idOf).includes(id)) {
        throw new FleetError("trust-invalid", `issuing CA ${id.slice(0, 16)}… is not in the trust bundle in force`);
      }
      await store.transaction((tx) => tx.settings.put(setting, id));
      chosen = id;
    },
  };
}

const idOf = (der: Uint8Array): string => spkiSha256(parseCertificate(der).spki);
const setting = "issuing-authority";
