import type { TrustBundle } from "@fleetcert/proto";
import {
  type Certificate,
  type ExpectedName,
  FleetError,
  type Instant,
  pathFailureOf,
  type Serial,
  sha256Hex,
  spkiSha256,
  validatePath,
} from "@fleetcert/shared";
import type { TimeEstimate } from "../ports.ts";

/** By what a server is known: the roots of the trust bundle, or before there is one the pinned root. */
export type ServerTrust = { readonly bundle: TrustBundle } | { readonly rootSha256: string };

/** Whether a certificate of the issuer (SPKI SHA-256) is known to be revoked. */
export type KnowsRevoked = (issuer: string, serial: Serial) => boolean;

/**
 * The check of one server's chain, in two steps: its path, name and purpose before a single octet of MQTT is sent, its dates as
 * soon as the time is known (DESIGN.md section 6, Time).
 */
export class ServerCheck {
  readonly #host: string;
  readonly #trust: ServerTrust;
  readonly #isRevoked: KnowsRevoked;
  #chain: readonly Uint8Array[] | undefined;
  #isDeferred = true;

  constructor(host: string, trust: ServerTrust, isRevoked: KnowsRevoked) {
    this.#host = host;
    this.#trust = trust;
    this.#isRevoked = isRevoked;
  }

  /**
   * Checks a raw DER chain, leaf first. Dates are judged only when the time is anchored; and since an anchor falls behind while
   * the machine sleeps, a certificate from its future is judged by the next signed time too. Throws `path-invalid`.
   */
  verify(chain: readonly Uint8Array[], { at, status }: TimeEstimate): void {
    this.#chain = chain;
    this.#isDeferred = status !== "anchored" || !this.#holdsAt(chain, at);
    if (this.#isDeferred) this.#validate(chain, "ignore-dates");
  }

  /** Whether the dates still wait for a signed time. */
  get isDeferred(): boolean {
    return this.#isDeferred;
  }

  /** Judges the dates at a signed time. Throws `path-invalid`. */
  verifyDates(at: Instant): void {
    if (this.#chain !== undefined) this.#validate(this.#chain, at);
    this.#isDeferred = false;
  }

  /** False when the chain is from the future; throws for whatever else is wrong with it. */
  #holdsAt(chain: readonly Uint8Array[], at: Instant): boolean {
    try {
      this.#validate(chain, at);
      return true;
    } catch (error) {
      if (pathFailureOf(error) === "not-yet-valid") return false;
      throw error;
    }
  }

  #validate(chain: readonly Uint8Array[], at: Instant | "ignore-dates"): void {
    const [leaf, ...rest] = chain;
    if (leaf === undefined) throw new FleetError("path-invalid", `${this.#host} presented no certificate`);
    const roots = this.#rootsFor(chain);
    const issuers = "bundle" in this.#trust ? this.#trust.bundle.issuers : [];
    const name = serverName(this.#host);
    const { path } = validatePath({
      leaf,
      intermediates: [...rest, ...issuers],
      roots,
      at,
      purpose: "serverAuth",
      name,
    });
    this.#requireUnrevoked(path);
  }

  /** What this device has applied is enforced, whatever the time is (I3). */
  #requireUnrevoked(path: readonly Certificate[]): void {
    for (const [index, { serial }] of path.entries()) {
      const issuer = path[index + 1];
      if (issuer === undefined || !this.#isRevoked(spkiSha256(issuer.spki), serial)) continue;
      throw new FleetError("path-invalid", `${this.#host} presented a revoked certificate, serial ${serial.hex}`);
    }
  }

  #rootsFor(chain: readonly Uint8Array[]): readonly Uint8Array[] {
    if ("bundle" in this.#trust) return this.#trust.bundle.roots;
    const { rootSha256 } = this.#trust;
    const pinned = chain.filter((der) => sha256Hex(der) === rootSha256);
    if (pinned.length > 0) return pinned;
    throw new FleetError("path-invalid", `${this.#host} did not present the pinned root ${rootSha256.slice(0, 16)}…`, {
      hint: "compare the root fingerprint with what `fleetcert trust show` prints; something may sit between device and controller",
    });
  }
}

function serverName(host: string): ExpectedName {
  const isAddress = host.includes(":") || /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(host);
  return isAddress ? { ip: host } : { dns: host };
}
