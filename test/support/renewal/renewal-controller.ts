import type { Duration, Instant } from "@fleetcert/shared";
import type { IssuedRecord } from "../../../agent/src/credential/verify-issued.ts";
import type { SeededRandom } from "../seeded-random.ts";

/** What the modelled controller holds of one certificate. */
export interface ModelCertificate {
  readonly generation: number;
  readonly keyId: string;
  readonly record: IssuedRecord;
  state: "issued" | "proven" | "retired" | "revoked";
  /** How often it went from issued to proven; I4 allows once. */
  proofs: number;
}

/** The controller's side of a slot as far as rotation needs it: idempotent issuance, one pending generation, proof in use. */
export class RenewalController {
  readonly certificates: ModelCertificate[] = [];
  readonly violations: string[] = [];
  readonly grace: Duration;
  /** The generation a person permits to enrol anew by a claim of one use, and the key that used it. */
  #permission: { readonly generation: number; usedBy: string | undefined } | undefined;

  constructor(grace: Duration) {
    this.grace = grace;
  }

  get provenGeneration(): number {
    return Math.max(0, ...this.certificates.filter(({ proofs }) => proofs > 0).map(({ generation }) => generation));
  }

  #wasRevoked = false;
  /** Whether a person revoked the device and nothing new was proven since. */
  isRevoked = false;

  /** Whether some credential of the device is taken. */
  get isTaken(): boolean {
    return this.certificates.some(({ state }) => state === "proven");
  }

  /** The device is revoked, with all it has. */
  revoke(): void {
    for (const certificate of this.certificates) certificate.state = "revoked";
    this.isRevoked = true;
    this.#wasRevoked = true;
  }

  /** A person permits the next generation above all there were. */
  permit(): number {
    const generation = Math.max(0, ...this.certificates.map((one) => one.generation)) + 1;
    this.#permission = { generation, usedBy: undefined };
    return generation;
  }

  /** The same certificate for the same generation and key; a refusal code otherwise. */
  issue(
    {
      generation,
      keyId,
      asker,
    }: { readonly generation: number; readonly keyId: string; readonly asker: string | undefined },
    now: Instant,
  ): IssuedRecord | string {
    const permission = asker === undefined && generation > 1 ? this.#permission : undefined;
    if (permission !== undefined) return this.#issueAnew(permission, { generation, keyId }, now);
    const isKnown = this.provenGeneration > 0 || this.#wasRevoked;
    if (generation === 1 && isKnown && this.find(keyId) === undefined) return "device-exists";
    if (generation > 1 && (asker === undefined || this.find(asker)?.state !== "proven")) return "signer-not-allowed";
    const known = this.find(keyId);
    if (known !== undefined && known.generation === generation) {
      if (known.state === "revoked") return "key-spent";
      return now > known.record.notAfter ? "issued-mismatch" : known.record;
    }
    if (generation !== this.provenGeneration + 1) {
      this.violations.push(`I5: generation ${generation} was asked for after ${this.provenGeneration}`);
      return "generation-conflict";
    }
    return this.#certify({ generation, keyId }, now);
  }

  #issueAnew(
    permission: { readonly generation: number; usedBy: string | undefined },
    { generation, keyId }: { readonly generation: number; readonly keyId: string },
    now: Instant,
  ): IssuedRecord | string {
    const known = this.find(keyId);
    if (known !== undefined) {
      if (known.generation !== generation) this.violations.push("I7: a key asks anew that was certified before");
      return known.state === "revoked" ? "generation-conflict" : known.record;
    }
    if (permission.generation !== generation) return "generation-conflict";
    if (permission.usedBy !== undefined) return "claim-invalid";
    const answer = this.#certify({ generation, keyId }, now);
    if (typeof answer !== "string") permission.usedBy = keyId;
    return answer;
  }

  #certify(
    { generation, keyId }: { readonly generation: number; readonly keyId: string },
    now: Instant,
  ): IssuedRecord | string {
    const isEnding = (other: ModelCertificate): boolean =>
      (other.generation === generation && other.state === "issued") || other.generation <= generation - 2;
    // The rule two-certificates-a-slot of the controller's policy.
    const staying = this.certificates.filter((other) => other.state !== "revoked" && !isEnding(other));
    if (staying.length > 1) return "generation-conflict";
    for (const other of this.certificates) if (isEnding(other)) other.state = "revoked";
    const record = { certificate: bytesOf(keyId), chain: [], notBefore: now, notAfter: now + lifetime };
    this.certificates.push({ generation, keyId, record, state: "issued", proofs: 0 });
    const live = this.certificates.filter(({ state }) => state !== "revoked");
    if (live.length > 2) this.violations.push(`I5: ${live.length} live certificates in the slot`);
    return record;
  }

  /** Confirms a proof; asking again gives the same answer. */
  confirm(keyId: string): { readonly grace: Duration } | "denied" {
    const certificate = this.find(keyId);
    if (certificate === undefined || certificate.state === "revoked") return "denied";
    if (certificate.state === "issued") {
      certificate.state = "proven";
      certificate.proofs += 1;
      this.isRevoked = false;
      for (const other of this.certificates) {
        if (other.generation < certificate.generation && other.state === "proven") other.state = "retired";
      }
    }
    if (certificate.proofs > 1) this.violations.push("I4: a proof had its effect twice");
    return { grace: this.grace };
  }

  find(keyId: string): ModelCertificate | undefined {
    return this.certificates.find((one) => one.keyId === keyId);
  }
}

/** A controller whose grace a seed decides. */
export function aRenewalController(random: SeededRandom): RenewalController {
  return new RenewalController(random.pick([0, 1_000, 3_600_000]));
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const lifetime: Duration = 90 * 86_400_000;
