import { FleetError } from "@fleetcert/shared";
import type { UpKind } from "./message.ts";

/** What the controller knows of the key that signed a device message. */
export type SignerStanding =
  /** The CSR key of a request, no certificate yet. */
  | "csr"
  /** Certificate issued, not yet proven in use. */
  | "issued"
  | "proven"
  /** Replaced by a proven successor, within its grace. */
  | "retired-in-grace"
  | "retired"
  | "expired"
  | "revoked"
  | "abandoned"
  | "unknown";

/** How a device message reached the controller. */
export type Arrival = "operational" | "bootstrap" | "courier";

/**
 * Which key may sign what, device side (DESIGN.md section 5): the kinds each standing may sign, by the way they came. `time` on
 * bootstrap is the question of a device that was turned away: what stands against it, or nothing and the time (decision 0017).
 */
export const signerTable: Readonly<Record<SignerStanding, Readonly<Record<Arrival, readonly UpKind[]>>>> = {
  // A first enrolment that a courier brings is signed by its claim's key too, manifest and all (decision 0029).
  csr: { operational: [], bootstrap: ["enrol", "attest"], courier: ["enrol", "courier"] },
  // An enrolment asked again after a lost answer is still signed by its CSR key, which has been issued meanwhile.
  issued: {
    operational: ["activated", "time"],
    bootstrap: ["enrol", "attest", "time"],
    // Nobody else can sign the bundle that brings the proof of a first certificate.
    courier: ["activated", "enrol", "courier"],
  },
  proven: {
    operational: ["renew", "activated", "report", "ack", "time", "event", "challenge", "quote", "attest"],
    bootstrap: ["renew", "time"],
    courier: ["renew", "activated", "report", "ack", "time", "event", "challenge", "courier"],
  },
  "retired-in-grace": {
    operational: ["activated", "report", "ack", "time", "event", "challenge"],
    bootstrap: ["time"],
    courier: ["activated", "report", "ack", "time", "event", "challenge", "courier"],
  },
  retired: { operational: [], bootstrap: [], courier: [] },
  expired: { operational: [], bootstrap: ["renew", "time"], courier: ["renew", "time", "courier"] },
  // A bundle of a revoked device brings it the cause and what everybody may know; nothing in it is carried out.
  revoked: { operational: [], bootstrap: [], courier: ["courier"] },
  abandoned: { operational: [], bootstrap: [], courier: [] },
  unknown: { operational: [], bootstrap: [], courier: [] },
};

/** Throws `signer-not-allowed` unless a key of this standing may sign a message of this kind that came this way. */
export function requireMaySign(standing: SignerStanding, kind: UpKind, arrival: Arrival): void {
  if (signerTable[standing][arrival].includes(kind)) return;
  throw new FleetError("signer-not-allowed", `a key that is ${standing} may not sign ${kind} (${arrival})`);
}
