import { type Instant, type OcspCertId, type OcspStatus, sha256Hex } from "@fleetcert/shared";
import type { OcspAnswer } from "./responder.ts";

interface Kept {
  readonly certId: OcspCertId;
  readonly status: OcspStatus;
  readonly answer: OcspAnswer;
  /** Whether anybody asked since it was signed. */
  isAsked: boolean;
}

/** Signed answers by what was asked, those asked for longest ago go first. An answer is only given while its status holds. */
export class ResponseCache {
  readonly #maxEntries: number;
  readonly #kept = new Map<string, Kept>();

  constructor({ maxEntries }: { readonly maxEntries: number }) {
    this.#maxEntries = maxEntries;
  }

  /** The answer to a question, unless the status is another one now or it has outlived three quarters of its time. */
  find(
    certId: OcspCertId,
    { status, now }: { readonly status: OcspStatus; readonly now: Instant },
  ): OcspAnswer | undefined {
    const key = keyOf(certId);
    const kept = this.#kept.get(key);
    if (kept === undefined || !isSame(kept.status, status) || ageOf(kept, now) >= 0.75) return undefined;
    kept.isAsked = true;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.answer;
  }

  put(certId: OcspCertId, { status, answer }: { readonly status: OcspStatus; readonly answer: OcspAnswer }): void {
    const key = keyOf(certId);
    this.#kept.delete(key);
    this.#kept.set(key, { certId, status, answer, isAsked: false });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > this.#maxEntries && oldest !== undefined) this.#kept.delete(oldest);
  }

  /** Questions that were asked again since they were answered, and whose answer has lived half its time. */
  agedSince({ now, limit }: { readonly now: Instant; readonly limit: number }): OcspCertId[] {
    const aged: OcspCertId[] = [];
    for (const kept of this.#kept.values()) {
      if (aged.length === limit) break;
      if (kept.isAsked && ageOf(kept, now) >= 0.5) aged.push(kept.certId);
    }
    return aged;
  }
}

const keyOf = ({ der }: OcspCertId): string => sha256Hex(der);

/** Share of its time that an answer has lived. */
function ageOf({ answer: { lifetime } }: Kept, now: Instant): number {
  return lifetime === undefined ? 1 : (now - lifetime.thisUpdate) / (lifetime.nextUpdate - lifetime.thisUpdate);
}

function isSame(one: OcspStatus, other: OcspStatus): boolean {
  if (one.status !== "revoked" || other.status !== "revoked") return one.status === other.status;
  return one.at === other.at && one.reason === other.reason;
}
