import type { BodyOf } from "@fleetcert/proto";
import type { CertificateRecord } from "../records.ts";
import type { EnrolmentParts } from "./enrolment.ts";

/** The answer that brings a certificate, its chain and the way of trust from the pinned root. */
export function issuedBody(
  { authority, trust }: Pick<EnrolmentParts, "authority" | "trust">,
  { slot, generation, der }: CertificateRecord,
): BodyOf<"issued"> {
  return {
    type: "issued",
    slot,
    generation,
    certificate: der,
    chain: [authority.certificate, ...authority.chain],
    trustBundles: trust.walk(),
  };
}
