import {
  type Certificate,
  type Clock,
  type Duration,
  encodeOcspFailure,
  type Instant,
  isFleetError,
  isOfIssuer,
  type OcspCertId,
  type OcspRequest,
  type OcspSingleAnswer,
  type OcspStatus,
  parseCertificate,
  parseOcspRequest,
  type Signer,
  signOcspResponse,
} from "@fleetcert/shared";
import type { CertificateAuthority } from "../ports.ts";
import type { Store } from "../store-port.ts";
import { certificateStatus } from "./certificate-status.ts";
import { ResponseCache } from "./response-cache.ts";
import { SigningBudget } from "./signing-budget.ts";

/** The delegated responder (RFC 6960 §4.2.2.2): its key, and the certificate that the issuing CA gave it. */
export interface ResponderCredential {
  readonly signer: Signer;
  readonly certificate: Uint8Array;
  readonly notAfter: Instant;
}

/** A response, and for how long it may be kept; undefined when it is for one asker only. */
export interface OcspAnswer {
  readonly der: Uint8Array;
  readonly lifetime: { readonly thisUpdate: Instant; readonly nextUpdate: Instant } | undefined;
}

/** An issuing CA whose certificates may still be in use. */
export interface ResponderIssuer extends Pick<CertificateAuthority, "id" | "certificate"> {
  /** Undefined while none is issued yet. */
  readonly credential: ResponderCredential | undefined;
  /** When the root revoked it; undefined for one that is believed. */
  readonly distrustedAt: Instant | undefined;
}

/** What the responder works with. */
export interface ResponderParts {
  readonly store: Store;
  readonly clock: Pick<Clock, "now">;
  /** Asked anew at every request: CAs change while the controller runs. */
  readonly issuers: () => readonly ResponderIssuer[];
  /** How long an answer holds. */
  readonly lifetime: Duration;
  /** Signatures within a second; what is asked beyond gets an answer that is signed already, or `tryLater`. */
  readonly signaturesPerSecond: number;
}

/** Answers questions about certificates of our issuing CAs, as RFC 6960 and the profile of RFC 5019 have them. */
export interface OcspResponder {
  /** Answers one request; never throws for bad input. */
  answer(request: Uint8Array): Promise<OcspAnswer>;
  /** Signs again what is asked for and has lived half its time, so that the next asker need not wait; resolves with how many. */
  renewAnswers(): Promise<number>;
}

/** Opens a responder without answers; whatever is asked for is signed once and kept. */
export function openResponder(parts: ResponderParts): OcspResponder {
  const { store, clock } = parts;
  const cache = new ResponseCache({ maxEntries: maxCachedAnswers });
  const budget = new SigningBudget({ clock, perSecond: parts.signaturesPerSecond });
  const parsed = new WeakMap<Uint8Array, Certificate>();

  function certificateOf({ certificate: der }: ResponderIssuer): Certificate {
    const certificate = parsed.get(der) ?? parseCertificate(der);
    parsed.set(der, certificate);
    return certificate;
  }

  /** The one issuer of ours that all of them are about. */
  function issuerOf(certIds: readonly OcspCertId[]): ResponderIssuer | undefined {
    return parts.issuers().find((issuer) => certIds.every((certId) => isOfIssuer(certId, certificateOf(issuer))));
  }

  async function statusOf({ id, distrustedAt }: ResponderIssuer, { serial }: OcspCertId): Promise<OcspStatus> {
    // RFC 6960 §2.7: whatever a compromised CA has certified is revoked, also what we know nothing of.
    if (distrustedAt !== undefined) return { status: "revoked", at: distrustedAt, reason: "cACompromise" };
    return await store.transaction((tx) => certificateStatus(tx, id, serial));
  }

  async function sign(
    { credential }: ResponderIssuer,
    answers: readonly { readonly certId: OcspCertId; readonly status: OcspStatus }[],
    nonce: Uint8Array | undefined,
  ): Promise<OcspAnswer> {
    const now = clock.now();
    if (credential === undefined || credential.notAfter <= now) return failure("tryLater");
    const thisUpdate = wholeSecond(now - backdate);
    const nextUpdate = wholeSecond(Math.min(now + parts.lifetime, credential.notAfter));
    const singles = answers.map(
      ({ certId, status }): OcspSingleAnswer => ({ ...status, certId: certId.der, thisUpdate, nextUpdate }),
    );
    const { signer, certificate } = credential;
    const der = await signOcspResponse({
      answers: singles,
      producedAt: now,
      nonce,
      signer,
      certificates: [certificate],
    });
    return { der, lifetime: nonce === undefined ? { thisUpdate, nextUpdate } : undefined };
  }

  /** One certificate without a nonce: the same answer for everybody while the status stays. */
  async function answerFromCache(issuer: ResponderIssuer, certId: OcspCertId): Promise<OcspAnswer> {
    const status = await statusOf(issuer, certId);
    const kept = cache.find(certId, { status, now: clock.now() });
    if (kept !== undefined) return kept;
    if (!budget.take()) return failure("tryLater");
    const answer = await sign(issuer, [{ certId, status }], undefined);
    if (answer.lifetime !== undefined) cache.put(certId, { status, answer });
    return answer;
  }

  async function answerRequest({ certIds, nonce }: OcspRequest): Promise<OcspAnswer> {
    const issuer = issuerOf(certIds);
    // RFC 5019 §2.2.3: of another issuer's certificates nothing authoritative can be said.
    if (issuer === undefined) return failure("unauthorized");
    const [first] = certIds;
    const isShared = nonce === undefined && certIds.length === 1;
    // RFC 9654 §3.1: an answer without the nonce is allowed; the asker decides whether it is enough.
    if (isShared || !budget.take()) return await answerFromCache(issuer, first);
    const answers: { certId: OcspCertId; status: OcspStatus }[] = [];
    for (const certId of certIds) answers.push({ certId, status: await statusOf(issuer, certId) });
    return await sign(issuer, answers, nonce);
  }

  return {
    async answer(request) {
      try {
        return await answerRequest(parseOcspRequest(request));
      } catch (error) {
        if (isFleetError(error, "request-invalid")) return failure("malformedRequest");
        throw error;
      }
    },
    async renewAnswers() {
      const due = cache.agedSince({ now: clock.now(), limit: maxRenewedAtOnce });
      let renewed = 0;
      for (const certId of due) {
        const issuer = issuerOf([certId]);
        if (issuer === undefined) continue;
        const status = await statusOf(issuer, certId);
        const answer = await sign(issuer, [{ certId, status }], undefined);
        if (answer.lifetime === undefined) continue;
        cache.put(certId, { status, answer });
        renewed += 1;
      }
      return renewed;
    },
  };
}

const failure = (why: Parameters<typeof encodeOcspFailure>[0]): OcspAnswer => ({
  der: encodeOcspFailure(why),
  lifetime: undefined,
});

const wholeSecond = (instant: Instant): Instant => Math.floor(instant / 1000) * 1000;

/** As with lists: for askers whose clock is behind. */
const backdate: Duration = 5 * 60_000;
const maxCachedAnswers = 10_000;
const maxRenewedAtOnce = 200;
