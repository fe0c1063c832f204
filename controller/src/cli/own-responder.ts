import { type Config, durationOf } from "../config.ts";
import { type OcspResponder, openResponder } from "../ocsp/responder.ts";
import type { ListenerCredential, OwnCertificate } from "../trust/listener-certificates.ts";
import type { Duties } from "./wire-duties.ts";

/** The certificates this controller needs for itself: one for each listener, and one to sign OCSP answers where that is wanted. */
export function ownCertificates({ hosts, revocation }: Config): OwnCertificate[] {
  return [
    { name: "broker", hosts },
    { name: "api", hosts },
    ...(revocation.ocsp ? [{ name: responderName, hosts: [], usage: "ocspSigning" as const }] : []),
  ];
}

/** The responder over the duties; undefined where none is wanted. Under a clock that has leapt it says nothing. */
export function openOwnResponder(
  { revocation }: Config,
  { duties, own }: { readonly duties: Duties; readonly own: ReadonlyMap<string, ListenerCredential> },
): OcspResponder | undefined {
  if (!revocation.ocsp) return undefined;
  return openResponder({
    store: duties.store,
    clock: { now: () => duties.clockGuard.now() },
    authority: duties.authority,
    credential() {
      const { signer, chain: [certificate] = [], notAfter } = own.get(responderName) ?? {};
      if (signer === undefined || certificate === undefined || notAfter === undefined) return undefined;
      return { signer, certificate, notAfter };
    },
    lifetime: durationOf(revocation.ocspNextUpdate),
    signaturesPerSecond,
  });
}

const responderName = "ocsp";
/** A tenth of what one core signs; devices and lists come first. */
const signaturesPerSecond = 500;
