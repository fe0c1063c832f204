import { type Instant, parseCertificate } from "@fleetcert/shared";
import { type Config, durationOf } from "../../config.ts";
import { type OcspResponder, openResponder, type ResponderCredential } from "../../ocsp/responder.ts";
import type { ListenerCredential, OwnCertificate } from "../../trust/listener-certificates.ts";
import type { Duties } from "./wire-duties.ts";

/** The certificates this controller needs for its listeners. */
export function ownCertificates({ hosts }: Config): OwnCertificate[] {
  return [
    { name: "broker", hosts },
    { name: "api", hosts },
  ];
}

/** The responder of this controller: one key and certificate for each issuing CA, given by that CA. */
export interface OwnResponder extends OcspResponder {
  /** Renews those certificates; a retired CA's until the last certificate under it has ended. Resolves with what is new. */
  keepCredentials(): Promise<readonly string[]>;
}

/** The responder over the duties; undefined where none is wanted. Under a clock that has leapt it says nothing. */
export function openOwnResponder(
  { revocation }: Config,
  { duties, own }: { readonly duties: Duties; readonly own: Map<string, ListenerCredential> },
): OwnResponder | undefined {
  if (!revocation.ocsp) return undefined;
  const { store, issuers, trust, listeners, clockGuard } = duties;
  const responder = openResponder({
    store,
    clock: { now: () => clockGuard.now() },
    issuers() {
      const distrusted = trust.distrusted();
      return issuers.all().map(({ id, certificate }) => ({
        ...{ id, certificate, distrustedAt: distrusted.get(id) },
        credential: credentialOf(own.get(nameOf(id))),
      }));
    },
    lifetime: durationOf(revocation.ocspNextUpdate),
    signaturesPerSecond,
  });
  return {
    ...responder,
    async keepCredentials() {
      const renewed: string[] = [];
      for (const { id, certificate } of issuers.all()) {
        const name = nameOf(id);
        const until = id === issuers.issuing.id ? undefined : await endOfIssued(duties, { id, certificate });
        if (until !== undefined && until - shortestLife < clockGuard.now()) {
          own.delete(name);
          continue;
        }
        const wanted = {
          name,
          hosts: [],
          usage: "ocspSigning",
          issuer: id,
          ...(until !== undefined && { until }),
        } as const;
        const { credential, isNew } = await listeners.ensure(wanted);
        own.set(name, credential);
        if (isNew) renewed.push(name);
      }
      return renewed;
    },
  };
}

/** No certificate of an issuing CA that issues no more ends later; 0 for one that has not issued yet. */
async function endOfIssued(
  { store }: Duties,
  { id, certificate }: { readonly id: string; readonly certificate: Uint8Array },
): Promise<Instant> {
  const shards = await store.transaction((tx) => tx.shards.listOf(id));
  // At the very end of a shard the next one begins.
  const last = Math.max(0, ...shards.map(({ notAfterTo }) => notAfterTo - 1000));
  return Math.min(last, parseCertificate(certificate).notAfter);
}

function credentialOf(own: ListenerCredential | undefined): ResponderCredential | undefined {
  const [certificate] = own?.chain ?? [];
  if (own === undefined || certificate === undefined) return undefined;
  return { signer: own.signer, certificate, notAfter: own.notAfter };
}

/** Also the label of its key. */
const nameOf = (issuer: string): string => `ocsp-${issuer.slice(0, 16)}`;
/** A tenth of what one core signs; devices and lists come first. */
const signaturesPerSecond = 500;
/** A certificate for less is not worth its serial. */
const shortestLife = 60_000;
