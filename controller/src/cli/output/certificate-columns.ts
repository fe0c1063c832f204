import { type Instant, span, when } from "@fleetcert/shared";
import type { CertificateView } from "../../access/operations.ts";
import { short } from "./human.ts";
import type { Column } from "./render.ts";

/** The columns of every listing of certificates. */
export function certificateColumns(now: Instant): Column<CertificateView>[] {
  return [
    { head: "serial", text: ({ serial }) => serial },
    { head: "device", text: ({ device }) => device },
    { head: "slot", text: ({ slot }) => slot },
    { head: "generation", text: ({ generation }) => String(generation) },
    {
      head: "state",
      text: ({ state, revocationReason }) => (state === "revoked" ? `revoked (${revocationReason})` : state),
    },
    { head: "profile", text: ({ profile }) => profile },
    { head: "key", text: ({ keyAlgorithm, protection }) => `${keyAlgorithm} ${protection}` },
    { head: "age", text: ({ issuedAt }) => span(now - issuedAt) },
    {
      head: "proven",
      text: ({ state, issuedAt, provenAt }) =>
        state === "issued" ? `not for ${span(now - issuedAt)}` : provenText(issuedAt, provenAt),
    },
    { head: "expires", text: ({ notAfter }) => when(notAfter) },
    { head: "sha256", text: ({ sha256 }) => short(sha256) },
  ];
}

/** Issued and proven are two facts: how long the second took after the first. */
function provenText(issuedAt: Instant, provenAt: Instant | undefined): string {
  return provenAt === undefined ? "never" : `${when(provenAt)} (+${span(Math.max(0, provenAt - issuedAt))})`;
}
